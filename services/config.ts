/**
 * Every setting of Lanes, in three steps: environment → typed `Settings` → used `Config`. Nothing else reads the environment.
 * An unknown `LANES_…` name or a bad value is a `ConfigError` that names it; an empty value counts as not set.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { APPS_JETSTREAM, MAX_PARTITIONS } from '../schema/subjects.ts';
import { type Network, networkOf } from './networks.ts';
import { parseHostPattern } from './push-services.ts';

/** One line for the terminal: which setting is wrong, and what it takes. */
export class ConfigError extends Error {}

/** Where NATS is and who we are there. `servers` never carry user info: the client would ignore it. */
export type NatsAddress = {
  readonly servers: readonly string[];
  readonly user: string | null;
  readonly password: string | null;
  readonly credsFile: string | null;
  /** The subject under which JetStream's API is asked there; usually `$JS.API`. */
  readonly jsApi?: string;
};
/** Where third parties find the same servers; null: that listener is off, or nobody said. */
export type PublicAddresses = {
  readonly nats: string;
  readonly webSocket: string | null;
  readonly mqtt: string | null;
};
/** Where MongoDB is. `url` carries no user info; `auth` goes into `MongoClient`'s option of that name. */
export type MongoAddress = {
  readonly url: string;
  readonly database: string;
  readonly auth: { readonly username: string; readonly password: string } | null;
};
/** What a token is checked with. `development`: the secret was made here, so that `lanes token` may sign with it. */
export type TokenTrust = {
  readonly issuer: string | null;
  readonly audience: string | null;
  /** The claim that says who its bearer is. */
  readonly userClaim: string;
} & (
  | { readonly kind: 'secret'; readonly secret: string; readonly development: boolean }
  | { readonly kind: 'jwks'; readonly url: string }
);
export type Settings = ReturnType<typeof readSettings>;
/** The settings of a room: the addresses are known, the secret is there. */
export type Config = Omit<Settings, 'nats' | 'natsBridge' | 'natsPublic' | 'mongo' | 'jwt' | 'storeBytes'> & {
  readonly nats: NatsAddress;
  /** The bridge's own user, in the integrations' account; null: there is none, and so no bridge. */
  readonly natsBridge: NatsAddress | null;
  readonly natsPublic: PublicAddresses;
  readonly mongo: MongoAddress;
  readonly jwt: TokenTrust;
  /** What all streams together may hold, in bytes. */
  readonly storeBytes: number;
};
export type Environment = { readonly XDG_CACHE_HOME?: string | undefined; readonly [name: string]: string | undefined };

const text = () => z.string().nullable().default(null);
const whole = (from: number, to: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, `a whole number from ${from} to ${to}`)
    .transform(Number)
    .pipe(z.number().min(from, `at least ${from}`).max(to, `at most ${to}`));
const port = (usual: number) => whole(0, 65_535).default(usual);
const flag = () => z.enum(['true', 'false']).transform((value) => value === 'true');
const webUrl = () =>
  z
    .url({ protocol: /^https?$/, error: 'an http or https URL' })
    .nullable()
    .default(null);

/** Every name there is, with its form and its default. */
const NAMES = z.object({
  LANES_ENV: z.enum(['development', 'production']).optional(),
  LANES_PORT: port(4000),
  LANES_ADMIN_PORT: port(4001),
  LANES_ADMIN_HOST: z.string().default('127.0.0.1'),
  LANES_HOST: z.string().default('127.0.0.1'),
  LANES_DATA: z.string().default('.lanes'),
  LANES_CACHE: text(),
  LANES_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  LANES_NATS_URL: text(),
  LANES_NATS_USER: text(),
  LANES_NATS_PASSWORD: text(),
  LANES_NATS_CREDS_FILE: text(),
  LANES_NATS_SYS_USER: text(),
  LANES_NATS_SYS_PASSWORD: text(),
  LANES_NATS_CALLOUT_SEED_FILE: text(),
  LANES_NATS_BRIDGE_USER: text(),
  LANES_NATS_BRIDGE_PASSWORD: text(),
  LANES_NATS_PORT: port(4222),
  LANES_NATS_MQTT_PORT: whole(0, 65_535).nullable().default(null),
  LANES_NATS_WS_PORT: whole(0, 65_535).nullable().default(null),
  LANES_NATS_PUBLIC_URL: text(),
  LANES_NATS_WS_PUBLIC_URL: text(),
  LANES_MQTT_PUBLIC_URL: text(),
  LANES_MONGO_URL: text(),
  LANES_MONGO_PORT: port(27_117),
  LANES_PARTITIONS: whole(1, MAX_PARTITIONS).default(16),
  LANES_FSYNC: z.enum(['always', 'default']).default('always'),
  LANES_STORE_BYTES: whole(64 * 1024 * 1024, Number.MAX_SAFE_INTEGER)
    .nullable()
    .default(null),
  LANES_JWT_SECRET: z.string().min(32, 'at least 32 characters').nullable().default(null),
  LANES_JWKS_URL: webUrl(),
  LANES_JWT_ISSUER: text(),
  LANES_JWT_AUDIENCE: text(),
  LANES_JWT_USER_CLAIM: z.string().default('sub'),
  LANES_ORIGINS: text(),
  LANES_TRUSTED_PROXIES: text(),
  LANES_GRAPHIQL: flag().optional(),
  LANES_INTROSPECTION: flag().optional(),
  LANES_CREATE: z.enum(['users', 'server']).default('users'),
  LANES_MEMBERS_ADD: z.enum(['owner', 'member']).default('owner'),
  LANES_SENDS_PER_SECOND: whole(1, 1_000_000).default(500),
  LANES_SENDS_BURST: whole(1, 1_000_000).default(5_000),
  LANES_APP_RETENTION_MS: whole(60_000, 366 * 24 * 60 * 60 * 1000).default(7 * 24 * 60 * 60 * 1000),
  LANES_APP_STREAM_BYTES: whole(1024 * 1024, Number.MAX_SAFE_INTEGER).default(256 * 1024 * 1024),
  LANES_IRC_PORT: whole(0, 65_535).nullable().default(null),
  LANES_API_URL: webUrl(),
  LANES_BRIDGE_PORT: port(4005),
  LANES_WEBHOOK_CA_FILE: text(),
  LANES_NOTIFY_GRACE_MS: whole(0, 24 * 60 * 60 * 1000).default(10_000),
  LANES_APNS_URL: webUrl(),
  LANES_APNS_KEY_FILE: text(),
  LANES_APNS_KEY_ID: text(),
  LANES_APNS_TEAM_ID: text(),
  LANES_APNS_TOPIC: text(),
  LANES_FCM_URL: webUrl(),
  LANES_FCM_SERVICE_ACCOUNT_FILE: text(),
  LANES_GCM_URL: webUrl(),
  LANES_GCM_KEY: text(),
  LANES_VAPID_KEY_FILE: text(),
  LANES_VAPID_SUBJECT: text(),
  LANES_WEB_PUSH_HOSTS: text(),
  LANES_PUSH_CA_FILE: text(),
  LANES_PUSH_PRIVACY: flag().default(false),
});
type Named = z.infer<typeof NAMES>;

/** The names of all settings, for `--help` and `doctor`. */
export const SETTING_NAMES: readonly string[] = Object.keys(NAMES.shape);

/** Reads and checks the settings. Throws `ConfigError` at the first bad one. */
export function readSettings(environment: Environment = process.env) {
  const named = parseNames(environment);
  const secured = named.LANES_JWT_SECRET !== null || named.LANES_JWKS_URL !== null;
  const mode = named.LANES_ENV ?? (secured ? 'production' : 'development');
  if (mode === 'production' && !secured)
    throw new ConfigError('LANES_ENV=production needs LANES_JWT_SECRET or LANES_JWKS_URL: who signs the tokens?');
  if (named.LANES_JWT_SECRET !== null && named.LANES_JWKS_URL !== null)
    throw new ConfigError('LANES_JWT_SECRET and LANES_JWKS_URL are both set: only one can say who signs the tokens');
  if (mode === 'production') refuseOpenIssuer(named);
  return {
    environment: mode as 'development' | 'production',
    host: named.LANES_HOST,
    port: named.LANES_PORT,
    adminPort: named.LANES_ADMIN_PORT,
    /** Of `/metrics`: never `host` by itself, which is the clients'. */
    adminHost: named.LANES_ADMIN_HOST,
    dataDir: resolve(named.LANES_DATA),
    cacheDir: resolve(named.LANES_CACHE ?? join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'lanes')),
    logLevel: named.LANES_LOG_LEVEL,
    nats: natsAddressOf(named),
    natsSys: pairOf(
      'LANES_NATS_SYS_USER',
      named.LANES_NATS_SYS_USER,
      'LANES_NATS_SYS_PASSWORD',
      named.LANES_NATS_SYS_PASSWORD,
    ),
    natsBridge: pairOf(
      'LANES_NATS_BRIDGE_USER',
      named.LANES_NATS_BRIDGE_USER,
      'LANES_NATS_BRIDGE_PASSWORD',
      named.LANES_NATS_BRIDGE_PASSWORD,
    ),
    /** The seeds that the rights of integrations are signed with. */
    natsCalloutSeedFile: named.LANES_NATS_CALLOUT_SEED_FILE,
    natsPort: named.LANES_NATS_PORT,
    /** Of the embedded server; 0: off. null: the usual port, if it is free. */
    natsMqttPort: named.LANES_NATS_MQTT_PORT,
    natsWsPort: named.LANES_NATS_WS_PORT,
    natsPublic: {
      nats: named.LANES_NATS_PUBLIC_URL,
      webSocket: named.LANES_NATS_WS_PUBLIC_URL,
      mqtt: named.LANES_MQTT_PUBLIC_URL,
    },
    mongo: mongoAddressOf(named.LANES_MONGO_URL),
    mongoPort: named.LANES_MONGO_PORT,
    partitions: named.LANES_PARTITIONS,
    fsync: named.LANES_FSYNC,
    storeBytes: named.LANES_STORE_BYTES,
    jwt: {
      secret: named.LANES_JWT_SECRET,
      jwksUrl: named.LANES_JWKS_URL,
      issuer: named.LANES_JWT_ISSUER,
      audience: named.LANES_JWT_AUDIENCE,
      userClaim: named.LANES_JWT_USER_CLAIM,
    },
    /** null: the own origin, and any loopback origin in development. */
    origins: originsOf(named.LANES_ORIGINS),
    /** Who is believed where it says for whom it passes a request on. */
    trustedProxies: networksOf('LANES_TRUSTED_PROXIES', named.LANES_TRUSTED_PROXIES),
    graphiql: named.LANES_GRAPHIQL ?? mode === 'development',
    introspection: named.LANES_INTROSPECTION ?? mode === 'development',
    create: named.LANES_CREATE,
    /** Who may add members to a group. */
    membersAdd: named.LANES_MEMBERS_ADD,
    /** The bucket of each sender: `perSecond` refills it, `burst` is its size. */
    sends: { perSecond: named.LANES_SENDS_PER_SECOND, burst: named.LANES_SENDS_BURST },
    /** What an integration's own stream holds: how long at the most, and how many bytes. */
    appStreams: { retentionMs: named.LANES_APP_RETENTION_MS, maxBytes: named.LANES_APP_STREAM_BYTES },
    /** null: not said; the room takes its usual one. */
    ircPort: named.LANES_IRC_PORT,
    /** Of the api that a room is a client of; null: the one on this machine. */
    apiUrl: named.LANES_API_URL,
    /** Of the webhooks that come in. */
    bridgePort: named.LANES_BRIDGE_PORT,
    /** An authority that is believed beside Node's own where webhooks go out to. */
    webhookCaFile: named.LANES_WEBHOOK_CA_FILE,
    notifyGraceMs: named.LANES_NOTIFY_GRACE_MS,
    push: pushOf(named),
    /** Pushes carry no text, no title and no name. */
    pushPrivacy: named.LANES_PUSH_PRIVACY,
  };
}

/** One issuer signs for many, and its keys come over the network: without these, a token made for somebody else would be good here. */
function refuseOpenIssuer({
  LANES_JWKS_URL: url,
  LANES_JWT_ISSUER: issuer,
  LANES_JWT_AUDIENCE: audience,
}: Named): void {
  if (url === null) return;
  if (!url.startsWith('https:')) throw new ConfigError('LANES_JWKS_URL must be https in production');
  const missing = Object.entries({ LANES_JWT_ISSUER: issuer, LANES_JWT_AUDIENCE: audience }).filter(
    ([, is]) => is === null,
  );
  if (missing.length > 0)
    throw new ConfigError(
      `${missing.map(([name]) => name).join(', ')} is missing: with LANES_JWKS_URL it is needed in production`,
    );
}

function parseNames(environment: Environment): Named {
  const ours = Object.entries(environment).filter(([name, value]) => name.startsWith('LANES_') && value !== '');
  const unknown = ours.map(([name]) => name).filter((name) => !SETTING_NAMES.includes(name));
  if (unknown.length > 0)
    throw new ConfigError(`unknown setting ${unknown.join(', ')}: there are ${SETTING_NAMES.join(' ')}`);
  const parsed = NAMES.safeParse(Object.fromEntries(ours));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ConfigError(`bad value of ${String(issue?.path[0])}: ${issue?.message ?? 'not understood'}`);
}

function natsAddressOf(named: Named): NatsAddress | null {
  const { LANES_NATS_URL: list, LANES_NATS_CREDS_FILE: credsFile } = named;
  const given = pairOf('LANES_NATS_USER', named.LANES_NATS_USER, 'LANES_NATS_PASSWORD', named.LANES_NATS_PASSWORD);
  if (list === null) {
    if (given !== null || credsFile !== null)
      throw new ConfigError('NATS credentials are set, but LANES_NATS_URL is not');
    return null;
  }
  let fromUrl: { user: string; password: string } | null = null;
  const servers = list.split(',').map((part) => {
    const url = urlOf('LANES_NATS_URL', part.includes('://') ? part.trim() : `nats://${part.trim()}`);
    if (!['nats:', 'tls:'].includes(url.protocol) || url.hostname === '')
      throw new ConfigError('bad value of LANES_NATS_URL: nats://host:port or tls://host:port, several with commas');
    if (url.username !== '')
      fromUrl ??= { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
    return `${url.protocol}//${url.host}`;
  });
  const who = given ?? (fromUrl as { user: string; password: string } | null);
  if (who !== null && credsFile !== null)
    throw new ConfigError('LANES_NATS_CREDS_FILE and a NATS user are both set: only one can say who we are');
  return { servers, user: who?.user ?? null, password: who?.password ?? null, credsFile };
}

/** The bridge's user on the same servers, where JetStream is asked past the gate that the integrations' requests come to. */
export const bridgeAddressOf = (nats: NatsAddress, who: { user: string; password: string }): NatsAddress => ({
  servers: nats.servers,
  ...who,
  credsFile: null,
  jsApi: APPS_JETSTREAM,
});

/** Splits `mongodb://user:password@hosts/database?options`; the hosts may be many, so `URL` cannot do it. */
export function mongoAddressOf(url: string | null): MongoAddress | null {
  if (url === null) return null;
  const parts = /^(mongodb(?:\+srv)?:\/\/)(?:([^@/]*)@)?([^/?@]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url);
  if (parts === null)
    throw new ConfigError('bad value of LANES_MONGO_URL: mongodb://[user:password@]host[,host…]/[database][?options]');
  const [, scheme, who, hosts, database, options] = parts;
  const [username = '', password = ''] = (who ?? '').split(':').map(decodeURIComponent);
  return {
    url: `${scheme}${hosts}/${database ?? ''}${options === undefined ? '' : `?${options}`}`,
    database: database === undefined || database === '' ? 'lanes' : database,
    auth: username === '' ? null : { username, password },
  };
}

function originsOf(list: string | null): readonly string[] | null {
  if (list === null) return null;
  return list.split(',').map((part) => {
    const { origin } = urlOf('LANES_ORIGINS', part.trim());
    if (origin === 'null')
      throw new ConfigError('bad value of LANES_ORIGINS: origins such as https://chat.example.org, with commas');
    return origin;
  });
}

/** What stands between commas. `takes` says what each may be. */
function listOf<T>(name: string, list: string | null, parse: (part: string) => T | undefined, takes: string): T[] {
  const parts = (list ?? '').split(',').filter((part) => part.trim() !== '');
  return parts.map((part) => {
    const parsed = parse(part.trim());
    if (parsed === undefined) throw new ConfigError(`bad value of ${name}: ${takes}, with commas`);
    return parsed;
  });
}

const networksOf = (name: string, list: string | null): readonly Network[] =>
  listOf(name, list, networkOf, 'addresses and networks such as 10.0.0.0/8');

/** A provider is off without settings; half of its settings is a mistake, and the missing half is named. */
function pushOf(named: Named) {
  return {
    apns: wholeOf(
      {
        LANES_APNS_KEY_FILE: named.LANES_APNS_KEY_FILE,
        LANES_APNS_KEY_ID: named.LANES_APNS_KEY_ID,
        LANES_APNS_TEAM_ID: named.LANES_APNS_TEAM_ID,
        LANES_APNS_TOPIC: named.LANES_APNS_TOPIC,
      },
      () => ({
        url: named.LANES_APNS_URL,
        keyFile: named.LANES_APNS_KEY_FILE as string,
        keyId: named.LANES_APNS_KEY_ID as string,
        teamId: named.LANES_APNS_TEAM_ID as string,
        topic: named.LANES_APNS_TOPIC as string,
      }),
    ),
    fcm: wholeOf({ LANES_FCM_SERVICE_ACCOUNT_FILE: named.LANES_FCM_SERVICE_ACCOUNT_FILE }, () => ({
      url: named.LANES_FCM_URL,
      serviceAccountFile: named.LANES_FCM_SERVICE_ACCOUNT_FILE as string,
    })),
    gcm: wholeOf({ LANES_GCM_URL: named.LANES_GCM_URL, LANES_GCM_KEY: named.LANES_GCM_KEY }, () => ({
      url: named.LANES_GCM_URL as string,
      key: named.LANES_GCM_KEY as string,
    })),
    vapid: wholeOf(
      { LANES_VAPID_KEY_FILE: named.LANES_VAPID_KEY_FILE, LANES_VAPID_SUBJECT: named.LANES_VAPID_SUBJECT },
      () => ({ keyFile: named.LANES_VAPID_KEY_FILE as string, subject: named.LANES_VAPID_SUBJECT as string }),
    ),
    /** Push services beside those of the browsers. */
    webPushHosts: listOf(
      'LANES_WEB_PUSH_HOSTS',
      named.LANES_WEB_PUSH_HOSTS,
      parseHostPattern,
      'hosts such as push.example.org and *.example.org',
    ),
    caFile: named.LANES_PUSH_CA_FILE,
  };
}

function wholeOf<T>(needed: Readonly<Record<string, string | null>>, made: () => T): T | null {
  const missing = Object.keys(needed).filter((name) => needed[name] === null);
  if (missing.length === Object.keys(needed).length) return null;
  if (missing.length > 0)
    throw new ConfigError(`${missing.join(', ')} is missing: this provider needs ${Object.keys(needed).join(', ')}`);
  return made();
}

function pairOf(userName: string, user: string | null, passwordName: string, password: string | null) {
  if (user === null && password === null) return null;
  if (user === null || password === null)
    throw new ConfigError(`${user === null ? userName : passwordName} is missing beside its partner`);
  return { user, password };
}

function urlOf(name: string, value: string): URL {
  if (!URL.canParse(value)) throw new ConfigError(`bad value of ${name}: not a URL`);
  return new URL(value);
}

/** A `MongoAddress` as one URL with its user info: for a child's environment and `MongoClient` alone, never for a log. */
export function mongoUrlOf({ url, auth }: MongoAddress): string {
  if (auth === null) return url;
  return url.replace('://', `://${encodeURIComponent(auth.username)}:${encodeURIComponent(auth.password)}@`);
}

/** The environment of a child process that is to have the same `Config`. Secrets go by environment, never by argument. */
export function environmentOf(config: Config, environment: Environment = process.env): Record<string, string> {
  const { nats, mongo } = config;
  const ours: Record<string, string | null> = {
    LANES_NATS_URL: nats.servers.join(','),
    LANES_NATS_USER: nats.user,
    LANES_NATS_PASSWORD: nats.password,
    LANES_NATS_CREDS_FILE: nats.credsFile,
    LANES_NATS_SYS_USER: config.natsSys?.user ?? null,
    LANES_NATS_SYS_PASSWORD: config.natsSys?.password ?? null,
    LANES_NATS_BRIDGE_USER: config.natsBridge?.user ?? null,
    LANES_NATS_BRIDGE_PASSWORD: config.natsBridge?.password ?? null,
    LANES_NATS_CALLOUT_SEED_FILE: config.natsCalloutSeedFile,
    LANES_NATS_PUBLIC_URL: config.natsPublic.nats,
    LANES_NATS_WS_PUBLIC_URL: config.natsPublic.webSocket,
    LANES_MQTT_PUBLIC_URL: config.natsPublic.mqtt,
    LANES_MONGO_URL: mongoUrlOf(mongo),
    LANES_DATA: config.dataDir,
    LANES_STORE_BYTES: String(config.storeBytes),
  };
  const merged = { ...environment, ...ours };
  return Object.fromEntries(
    Object.entries(merged).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
