/**
 * The gate between integrations and whatever answers to any reply subject. JetStream and the discovery of services send their
 * answers wherever a request says, with nobody's rights: a stream's description into a lane, a message into another's stream, the
 * answer to an acknowledgement as a request to delete a stream. So their requests come here first (`APPS_MAPPINGS`), and go on
 * only if the answer goes into the asker's own inbox. Messages themselves do not pass here.
 */
import type { Msg } from 'nats';
import { type AppId, parseAppId } from '../schema/ids.ts';
import { APPS_ACK, APPS_JETSTREAM, APPS_SRV, appOfStream, GATE_ACK, GATE_API, GATE_SRV } from '../schema/subjects.ts';
import { Buckets, type Rate } from '../services/buckets.ts';
import type { Stoppable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import type { Logger } from '../services/logger.ts';
import { checkConsumerRequest } from './consumer-request.ts';
import type { Floods } from './floods.ts';
import { CONSUMER_VERBS, DISCOVERY_VERBS, isInboxOf, SERVICE } from './rights.ts';

const QUEUE = 'lanes-gate';
const API_BYTES_MAX = 32 * 1024;
const ACK_BYTES_MAX = 4 * 1024;
/** A stream, a consumer, and the five numbers of a delivery: nothing may stand behind them. */
const ACK = /^[^.]+\.[^.@]+\.\d+\.\d+\.\d+\.\d+\.\d+$/;
/**
 * Of each integration, in each process: `api` are the questions that the server answers one after the other for everybody; `flow`
 * are pulls and acknowledgements.
 */
const API_RATE: Rate = { perSecond: 100, burst: 200 };
const FLOW_RATE: Rate = { perSecond: 10_000, burst: 20_000 };
/** Who asks is not in the subject: counted by whose inbox is to be answered in, and of all together. An answer has up to 80 kB. */
const DISCOVERY_RATE: Rate = { perSecond: 20, burst: 40 };
const DISCOVERIES_RATE: Rate = { perSecond: 100, burst: 200 };
/** Nobody can be put out for it: where so much more comes, nothing of it is heard for a while. */
const DISCOVERY_PATIENCE: Rate = { perSecond: 1_000, burst: 2_000 };
const DEAF_MS = 1_000;
const ALL = 'all';
/** Inboxes of the clients of our own user; an integration's rights to subscribe do not reach there. */
const OWN_INBOX = '_INBOX.';

export type GateOutcome = 'passed' | 'refused' | 'foreign reply' | 'limited' | 'unknown';

/** Of the bridge's own user, in the integrations' account. */
export interface GateLinks {
  readonly through: Link;
  /** Of its own: a flood of what nobody can be blamed for keeps nothing else waiting. */
  readonly discovery: Link;
}
export interface GateParts extends GateLinks {
  readonly floods: Floods;
  readonly log: Logger;
  readonly rates?: { readonly api: Rate; readonly flow: Rate };
  readonly observe?: (outcome: GateOutcome) => void;
}

/** Of several gates each request comes to one. `observe` hears of every request. */
export function openGate(parts: GateParts): Stoppable {
  const { through, floods, log, rates = { api: API_RATE, flow: FLOW_RATE }, observe = () => undefined } = parts;
  const gate: Gate = { link: through, floods, api: new Buckets(rates.api), flow: new Buckets(rates.flow) };
  const observed = (message: Msg, outcome: GateOutcome): void => {
    observe(outcome);
    if (outcome !== 'passed')
      log.debug({ subject: message.subject, reply: message.reply, outcome }, 'a request did not pass the gate');
  };
  const listening = [
    through.subscribe(`${GATE_API}>`, (message) => observed(message, passRequest(gate, message)), QUEUE),
    through.subscribe(`${GATE_ACK}>`, (message) => observed(message, passAck(gate, message)), QUEUE),
    openDiscovery(parts.discovery, observed),
  ];
  return {
    stop: () => {
      for (const one of listening) one.stop();
    },
  };
}

interface Gate {
  readonly link: Link;
  readonly floods: Floods;
  readonly api: Buckets;
  readonly flow: Buckets;
}

function passRequest(gate: Gate, { subject, data, reply = '' }: Msg): GateOutcome {
  const { link } = gate;
  const rest = subject.slice(GATE_API.length);
  const asked = askedOf(rest);
  if (asked === undefined) return 'unknown';
  if (isOver(gate, asked.verb === NEXT ? gate.flow : gate.api, asked.app)) return 'limited';
  if (data.length > API_BYTES_MAX) return 'unknown';
  if (!mayAnswer(asked.app, reply)) return 'foreign reply';
  const to = `${APPS_JETSTREAM}.${rest}`;
  // With a body it could be made to list every subject that there is.
  if (asked.verb === STREAM_INFO) return link.send(to, '', reply) ? 'passed' : 'unknown';
  if (!asked.verb.endsWith('CREATE')) return link.send(to, data, reply) ? 'passed' : 'unknown';
  const request = checkConsumerRequest(Buffer.from(data).toString('utf8'), asked.stream);
  switch (request.kind) {
    case 'allowed':
      return link.send(to, request.body, reply) ? 'passed' : 'unknown';
    case 'refused':
      link.send(reply, refusalOf(request.why));
      return 'refused';
    default:
      return request satisfies never;
  }
}

/** Everything that it sends is counted, whether it may pass or not. */
function isOver({ floods }: Gate, buckets: Buckets, app: AppId): boolean {
  const over = buckets.take(app) > 0;
  if (over) floods.over(app);
  return over;
}

const STREAM_INFO = 'STREAM.INFO';
const NEXT = 'CONSUMER.MSG.NEXT';
const API_VERBS = [STREAM_INFO, ...CONSUMER_VERBS.map((name) => `CONSUMER.${name}`)];

/** Undefined: no request that an integration may make. */
function askedOf(rest: string): { readonly app: AppId; readonly stream: string; readonly verb: string } | undefined {
  const verb = API_VERBS.find((name) => rest.startsWith(`${name}.`));
  if (verb === undefined) return undefined;
  const [stream = ''] = rest.slice(verb.length + 1).split('.', 1);
  const app = appOfStream(stream);
  return app && { app, stream, verb };
}

function passAck(gate: Gate, { subject, data, reply = '' }: Msg): GateOutcome {
  const rest = subject.slice(GATE_ACK.length);
  // The server lets nobody but it publish under the name of its stream.
  const app = appOfStream(rest.split('.', 1)[0] ?? '');
  if (app === undefined) return 'unknown';
  if (isOver(gate, gate.flow, app)) return 'limited';
  if (!ACK.test(rest) || data.length > ACK_BYTES_MAX) return 'unknown';
  if (reply !== '' && !mayAnswer(app, reply)) return 'foreign reply';
  return gate.link.send(`${APPS_ACK}.${rest}`, data, reply === '' ? undefined : reply) ? 'passed' : 'unknown';
}

type Observed = (message: Msg, outcome: GateOutcome) => void;

function openDiscovery(link: Link, observed: Observed): Stoppable {
  const [own, all] = [new Buckets(DISCOVERY_RATE), new Buckets(DISCOVERIES_RATE)];
  const patience = new Buckets(DISCOVERY_PATIENCE);
  let listening: Stoppable;
  let deaf: NodeJS.Timeout | undefined;
  const listen = (): void => {
    listening = link.subscribe(`${GATE_SRV}>`, heard, QUEUE);
  };
  const heard = (message: Msg): void => {
    const outcome = passDiscovery(link, { own, all }, message);
    observed(message, outcome);
    if (outcome === 'passed' || patience.take(ALL) === 0 || deaf !== undefined) return;
    listening.stop();
    deaf = setTimeout(() => {
      deaf = undefined;
      listen();
    }, DEAF_MS);
  };
  listen();
  return {
    stop: () => {
      clearTimeout(deaf);
      listening.stop();
    },
  };
}

/** Who asks is not in the subject; an answer may go to any inbox, and to nothing else. */
function passDiscovery(
  link: Link,
  { own, all }: { readonly own: Buckets; readonly all: Buckets },
  { subject, reply = '' }: Msg,
): GateOutcome {
  const rest = subject.slice(GATE_SRV.length);
  const [verb = '', name = SERVICE, , ...more] = rest.split('.');
  if (!DISCOVERY_VERBS.some((known) => known === verb) || name !== SERVICE || more.length > 0) return 'unknown';
  const app = parseAppId(/^_INBOX_([^.]+)\./.exec(reply)?.[1]);
  if (app === undefined ? !reply.startsWith(OWN_INBOX) : !mayAnswer(app, reply)) return 'foreign reply';
  if (own.take(app ?? OWN_INBOX) > 0 || all.take(ALL) > 0) return 'limited';
  return link.send(`${APPS_SRV}.${rest}`, '', reply) ? 'passed' : 'unknown';
}

const mayAnswer = (app: AppId, reply: string): boolean => isInboxOf(app, reply) || reply.startsWith(OWN_INBOX);

/** As JetStream refuses. */
const refusalOf = (description: string): string =>
  JSON.stringify({
    type: 'io.nats.jetstream.api.v1.consumer_create_response',
    error: { code: 400, err_code: 10_012, description },
  });
