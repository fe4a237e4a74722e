/**
 * The configuration of a nats-server of our own. Its accounts are worlds of subjects: the lanes, which our rooms alone may reach; the
 * integrations', where nothing that they say or have somebody answer can come near a lane, with MQTT beside it; and the server's own.
 */
import { APPS_MAPPINGS, APPS_TO_MQTT, MQTT_ACCOUNT_SUFFIX, MQTT_TO_APPS } from '../../schema/subjects.ts';
import type { StoreLimits } from './nats-store.ts';

export interface NatsConfigParts {
  readonly listen: string;
  readonly storeDir: string;
  readonly store: StoreLimits;
  readonly fsync: 'always' | 'default';
  readonly lanes: { readonly user: string; readonly password: string };
  readonly bridge: { readonly user: string; readonly password: string };
  readonly sys: { readonly user: string; readonly password: string };
  /** Public keys. */
  readonly issuer: string;
  /** undefined: questions of who somebody is go in clear text, which on one machine they may. */
  readonly curve: string | undefined;
  /** `host:port`; undefined: off. */
  readonly mqtt: string | undefined;
  readonly webSocket: string | undefined;
}

/** Of all integrations together: the other half is our own rooms'. */
const APPS_CONNECTIONS = 5_000;
/** Of each connection of theirs. */
const APPS_SUBSCRIPTIONS = 1_000;

export const APPS = 'APPS';
export const MQTT = `${APPS}${MQTT_ACCOUNT_SUFFIX}`;
/** The largest event, of a conversation with 10,000 members, is 0.8 MB, and an account has one limit for integrations and bridge. */
const limitsOf = (payload: string): string =>
  `limits { max_connections: ${APPS_CONNECTIONS}, max_subscriptions: ${APPS_SUBSCRIPTIONS}, max_payload: ${payload} }`;

const quoted = JSON.stringify;
const userOf = ({ user, password }: { readonly user: string; readonly password: string }): string =>
  `{ user: ${quoted(user)}, password: ${quoted(password)} }`;

export function natsConfigOf(parts: NatsConfigParts): string {
  const { lanes, bridge, sys, store } = parts;
  return `# Written at each start; changes are lost.
server_name: lanes
listen: ${quoted(parts.listen)}
max_payload: 2MB
max_pending: 64MB
max_connections: 10000
max_subscriptions: 0
write_deadline: "10s"
jetstream {
  store_dir: ${quoted(parts.storeDir)}
  max_memory_store: 256MB
  max_file_store: ${store.total}
${parts.fsync === 'always' ? '  sync_interval: always\n' : ''}}
accounts {
  LANES { jetstream: enabled, users: [ ${userOf(lanes)} ] }
  ${APPS} {
    jetstream { max_file: ${store.apps} }
    users: [ ${userOf(bridge)} ]
    ${limitsOf('1MB')}
    exports: [ ${APPS_TO_MQTT.map((subject) => `{ stream: ${quoted(subject)} }`).join(', ')} ]
    imports: [ { stream: { account: ${MQTT}, subject: ${quoted(MQTT_TO_APPS)} } } ]
    mappings {
${Object.entries(APPS_MAPPINGS)
  .map(([from, to]) => `      ${quoted(from)}: ${quoted(to)}`)
  .join('\n')}
    }
  }
  ${MQTT} {
    jetstream { max_file: ${store.mqtt} }
    # Nothing but requests is published there.
    ${limitsOf('272KB')}
    exports: [ { stream: ${quoted(MQTT_TO_APPS)} } ]
    imports: [ ${APPS_TO_MQTT.map((subject) => `{ stream: { account: ${APPS}, subject: ${quoted(subject)} } }`).join(', ')} ]
  }
  SYS { users: [ ${userOf(sys)} ] }
}
system_account: SYS
authorization {
  auth_callout {
    issuer: ${quoted(parts.issuer)}
${parts.curve === undefined ? '' : `    xkey: ${quoted(parts.curve)}\n`}    account: ${APPS}
    auth_users: [ ${[lanes, bridge, sys].map(({ user }) => quoted(user)).join(', ')} ]
  }
}
${parts.mqtt === undefined ? '' : `mqtt { listen: ${quoted(parts.mqtt)}, reject_qos2_publish: true }\n`}${
  parts.webSocket === undefined ? '' : `websocket { listen: ${quoted(parts.webSocket)}, no_tls: true }\n`
}`;
}
