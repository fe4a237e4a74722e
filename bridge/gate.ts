/**
 * The gate between integrations and whatever answers to any reply subject. JetStream and the discovery of services send their
 * answers wherever a request says, with nobody's rights: a stream's description into a lane, a message into another's stream, the
 * answer to an acknowledgement as a request to delete a stream. So their requests come here first (`APPS_MAPPINGS`), and go on
 * only if the answer goes into the asker's own inbox. Messages themselves do not pass here.
 */
import type { Msg } from 'nats';
import { type AppId, parseAppId } from '../schema/ids.ts';
import {
  APPS_ACK,
  APPS_JETSTREAM,
  APPS_SRV,
  allGateSubjects,
  appOfStream,
  GATE_ACK,
  GATE_API,
  GATE_SRV,
} from '../schema/subjects.ts';
import { Buckets, type Rate } from '../services/buckets.ts';
import type { Stoppable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import type { Logger } from '../services/logger.ts';
import { checkConsumerRequest } from './consumer-request.ts';
import { CONSUMER_VERBS, DISCOVERY_VERBS, isInboxOf, SERVICE } from './rights.ts';

const QUEUE = 'lanes-gate';
const API_BYTES_MAX = 32 * 1024;
const ACK_BYTES_MAX = 4 * 1024;
/** A stream, a consumer, and the five numbers of a delivery: nothing may stand behind them. */
const ACK = /^([^.]+)\.[^.@]+\.\d+\.\d+\.\d+\.\d+\.\d+$/;
/** Of each integration, in each process: one that pulls and acknowledges without end holds up nobody else. */
const RATE: Rate = { perSecond: 10_000, burst: 20_000 };
/** Inboxes of the clients of our own user; an integration's rights to subscribe do not reach there. */
const OWN_INBOX = '_INBOX.';

export type GateOutcome = 'passed' | 'refused' | 'foreign reply' | 'limited' | 'unknown';

/** Of several gates each request comes to one. `observe` hears of every request. */
export function openGate({
  link,
  log,
  rate = RATE,
  observe = () => undefined,
}: {
  readonly link: Link;
  readonly log: Logger;
  readonly rate?: Rate;
  readonly observe?: (outcome: GateOutcome) => void;
}): Stoppable {
  const gate: Gate = { link, buckets: new Buckets(rate) };
  return link.subscribe(
    allGateSubjects,
    (message) => {
      const outcome = pass(gate, message);
      observe(outcome);
      if (outcome !== 'passed')
        log.debug({ subject: message.subject, reply: message.reply, outcome }, 'a request did not pass the gate');
    },
    QUEUE,
  );
}

interface Gate {
  readonly link: Link;
  readonly buckets: Buckets;
}

function pass(gate: Gate, message: Msg): GateOutcome {
  const { subject } = message;
  if (subject.startsWith(GATE_API)) return passRequest(gate, message, subject.slice(GATE_API.length));
  if (subject.startsWith(GATE_ACK)) return passAck(gate, message, subject.slice(GATE_ACK.length));
  if (subject.startsWith(GATE_SRV)) return passDiscovery(gate, message, subject.slice(GATE_SRV.length));
  return 'unknown';
}

function passRequest({ link, buckets }: Gate, { data, reply = '' }: Msg, rest: string): GateOutcome {
  const asked = askedOf(rest);
  if (asked === undefined || data.length > API_BYTES_MAX) return 'unknown';
  if (!mayAnswer(asked.app, reply)) return 'foreign reply';
  if (buckets.take(asked.app) > 0) return 'limited';
  const to = `${APPS_JETSTREAM}.${rest}`;
  if (!asked.isCreation) return link.send(to, data, reply) ? 'passed' : 'unknown';
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

/** Undefined: no request that an integration may make. */
function askedOf(
  rest: string,
): { readonly app: AppId; readonly stream: string; readonly isCreation: boolean } | undefined {
  const verb = ['STREAM.INFO', ...CONSUMER_VERBS.map((name) => `CONSUMER.${name}`)].find((name) =>
    rest.startsWith(`${name}.`),
  );
  if (verb === undefined) return undefined;
  const [stream = ''] = rest.slice(verb.length + 1).split('.', 1);
  const app = appOfStream(stream);
  return app && { app, stream, isCreation: verb.endsWith('CREATE') };
}

function passAck({ link, buckets }: Gate, { data, reply = '' }: Msg, rest: string): GateOutcome {
  const app = appOfStream(ACK.exec(rest)?.[1] ?? '');
  if (app === undefined || data.length > ACK_BYTES_MAX) return 'unknown';
  if (reply !== '' && !mayAnswer(app, reply)) return 'foreign reply';
  if (buckets.take(app) > 0) return 'limited';
  return link.send(`${APPS_ACK}.${rest}`, data, reply === '' ? undefined : reply) ? 'passed' : 'unknown';
}

/** Who asks is not in the subject; an answer may go to any inbox, and to nothing else. */
function passDiscovery({ link, buckets }: Gate, { reply = '' }: Msg, rest: string): GateOutcome {
  const [verb = '', name = SERVICE, , ...more] = rest.split('.');
  if (!DISCOVERY_VERBS.some((known) => known === verb) || name !== SERVICE || more.length > 0) return 'unknown';
  const app = parseAppId(/^_INBOX_([^.]+)\./.exec(reply)?.[1]);
  if (app === undefined ? !reply.startsWith(OWN_INBOX) : !mayAnswer(app, reply)) return 'foreign reply';
  if (app !== undefined && buckets.take(app) > 0) return 'limited';
  return link.send(`${APPS_SRV}.${rest}`, '', reply) ? 'passed' : 'unknown';
}

const mayAnswer = (app: AppId, reply: string): boolean => isInboxOf(app, reply) || reply.startsWith(OWN_INBOX);

/** As JetStream refuses. */
const refusalOf = (description: string): string =>
  JSON.stringify({
    type: 'io.nats.jetstream.api.v1.consumer_create_response',
    error: { code: 400, err_code: 10_012, description },
  });
