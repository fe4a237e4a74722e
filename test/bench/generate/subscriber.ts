/** Opening what listens: a `graphql-transport-ws` socket, and a subscription to one conversation on it. */
import { authorizationOf, followBody, inboxBody } from './operations.ts';
import { frameOf, openWire, type Wire } from './wire.ts';

const ANSWER_MS = 30_000;

/** Settles when the server has acknowledged the connection. */
export async function openGraphqlWire(port: number, token: string): Promise<Wire> {
  const wire = await openWire({ port, path: '/graphql', protocol: 'graphql-transport-ws' });
  const acknowledged = nextMessage(wire, '"connection_ack"');
  wire.send(frameOf(`{"type":"connection_init","payload":{"authorization":"${authorizationOf(token)}"}}`));
  await acknowledged;
  return wire;
}

/** Settles when the stream of `lane` has started: every event from then on comes. */
export async function openFollower(port: number, token: string, lane: string): Promise<Wire> {
  const wire = await openGraphqlWire(port, token);
  const started = nextMessage(wire, '"StreamStarted"');
  wire.send(frameOf(`{"id":"1","type":"subscribe","payload":${followBody(lane)}}`));
  await started;
  return wire;
}

/** Settles when the inbox has caught up: with how many messages that took. */
export async function openInbox(wire: Wire, device: string): Promise<number> {
  let messages = 0;
  const caughtUp = nextMessage(wire, '"InboxCaughtUp"', (message) => {
    messages++;
    return message.includes('"type":"next"');
  });
  wire.send(frameOf(`{"id":"1","type":"subscribe","payload":${inboxBody(device)}}`));
  await caughtUp;
  return messages;
}

/** Rejects where another message comes before, or none. `passes`: of a message that may come before. */
function nextMessage(wire: Wire, wanted: string, passes: (message: string) => boolean = () => false): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: string) => {
      clearTimeout(timer);
      wire.onText = () => {};
      wire.onClosed = () => {};
      if (error === undefined) return resolve();
      wire.close();
      reject(new Error(`waiting for ${wanted}: ${error}`));
    };
    const timer = setTimeout(() => end(`nothing came in ${ANSWER_MS / 1000} s`), ANSWER_MS);
    wire.onText = (_length, payload) => {
      const message = payload?.toString('latin1') ?? '';
      const isPassed = passes(message);
      if (message.includes(wanted)) end();
      else if (!isPassed) end(message.slice(0, 400));
    };
    wire.onClosed = (reason) => end(reason);
  });
}
