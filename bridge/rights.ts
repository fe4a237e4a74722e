/**
 * What an integration's connection may do, as NATS permissions: its own branch, its own stream's consumers, its own inbox. They are
 * looked at after the account's mappings, so the rights to JetStream and to discovery are rights to the gate; nobody else has any to
 * `$JS.` or `$SRV.` itself.
 */
import type { AppId } from '../schema/ids.ts';
import {
  appCommand,
  appCommands,
  appDeads,
  appEvents,
  appInbox,
  appReplays,
  appReplies,
  appStream,
  GATE_ACK,
  GATE_API,
  GATE_SRV,
} from '../schema/subjects.ts';

/** The way in; WebSocket and TLS change nothing of what may be done. */
export type Door = 'nats' | 'mqtt';

export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** CONTRACT's verbs. */
export const VERBS = [
  ...['send', 'create', 'open-direct', 'add-members', 'remove-member', 'leave', 'mark-read', 'acknowledge'],
  ...['conversation', 'conversations', 'members', 'message', 'history', 'replay'],
] as const;

/** Requests to JetStream that name one stream, which is the token after them. What may follow it is the gate's matter. */
export const CONSUMER_VERBS = ['CREATE', 'DURABLE.CREATE', 'INFO', 'DELETE', 'MSG.NEXT', 'NAMES', 'LIST'] as const;
export const DISCOVERY_VERBS = ['PING', 'INFO', 'STATS'] as const;
/** The micro service's name. */
export const SERVICE = 'lanes';

export function rightsOf(app: AppId, door: Door): Rights {
  const branches = [appEvents(app), appReplays(app), appDeads(app), appReplies(app)];
  switch (door) {
    case 'nats':
      return {
        publish: [appCommands(app), ...jetStreamOf(app), ...discovery()],
        subscribe: [`${appInbox(app)}.>`, ...branches],
      };
    case 'mqtt':
      return {
        // By name: a retained message is kept for each topic, and so there are no more of them than verbs.
        publish: VERBS.map((verb) => appCommand(app, verb)),
        // In MQTT "event/#" is "event" itself, too.
        subscribe: branches.flatMap((branch) => [branch, branch.slice(0, -'.>'.length)]),
      };
    default:
      return door satisfies never;
  }
}

function jetStreamOf(app: AppId): string[] {
  const stream = appStream(app);
  return [
    ...CONSUMER_VERBS.flatMap((verb) => [
      `${GATE_API}CONSUMER.${verb}.${stream}`,
      `${GATE_API}CONSUMER.${verb}.${stream}.>`,
    ]),
    `${GATE_API}STREAM.INFO.${stream}`,
    `${GATE_ACK}${stream}.>`,
  ];
}

const discovery = (): string[] =>
  DISCOVERY_VERBS.flatMap((verb) => [
    `${GATE_SRV}${verb}`,
    `${GATE_SRV}${verb}.${SERVICE}`,
    `${GATE_SRV}${verb}.${SERVICE}.*`,
  ]);

/** An answer to `app` may go there. */
export const isInboxOf = (app: AppId, reply: string): boolean =>
  reply.startsWith(`${appInbox(app)}.`) && reply.length > appInbox(app).length + 1;

/** How many sessions the server may have to remember for an integration. */
const SESSIONS_MAX = 64;

/**
 * Who comes with the client id of a live MQTT connection ends it and takes its session over, so a client id begins with its
 * integration's name, which nobody else can claim: `<app>`, or `<app>:0` to `<app>:63`.
 */
export function isClientIdOf(app: AppId, clientId: string): boolean {
  if (clientId === app) return true;
  if (!clientId.startsWith(`${app}:`)) return false;
  const rest = clientId.slice(app.length + 1);
  return /^(0|[1-9]\d?)$/.test(rest) && Number(rest) < SESSIONS_MAX;
}
