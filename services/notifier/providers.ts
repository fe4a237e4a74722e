/** Opens the push providers that the settings turn on. A setting that cannot be used stops the start, by its name. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Millis } from '../../schema/ids.ts';
import { type Config, ConfigError } from '../config.ts';
import { readTrust } from '../foreign-hosts.ts';
import type { Logger } from '../logger.ts';
import type { PushAddress, PushProviderName } from '../views/push-address.ts';
import type { ServiceAccount } from './access-tokens.ts';
import { APNS_UNDER_WAY, ApnsAdapter } from './apns.ts';
import { FcmAdapter } from './fcm.ts';
import { GcmAdapter } from './gcm.ts';
import { type Adapter, Guard, type Limits, type Observer } from './guard.ts';
import type { PushProvider } from './push.ts';
import { pushMetrics } from './push-metrics.ts';
import { parseVapidKey, type VapidKey } from './vapid.ts';
import { WebPushAdapter } from './web-push.ts';

export interface Providers {
  /** Those that are on. */
  readonly on: ReadonlyMap<PushProviderName, PushProvider>;
  stop(): Promise<void>;
}

const WAITING = 2_000;
/** One host each, or two with Apple's sandbox, which our settings name. */
const ours = (underWay: number): Limits => {
  const total = 2 * (underWay + WAITING);
  return { underWay, waiting: WAITING, total, hosts: 4, toUnproven: underWay };
};
/** Hosts that users name. */
const theirs: Limits = { underWay: 128, waiting: 500, total: 4_000, hosts: 1_024, toUnproven: 64 };
const LIMITS: Readonly<Record<PushProviderName, Limits>> = {
  APNS: ours(APNS_UNDER_WAY),
  FCM: ours(256),
  GCM: ours(32),
  WEB_PUSH: theirs,
};

export interface ProvidersOptions {
  readonly log: Logger;
  readonly registry: Registry;
  /** As records are stamped. */
  readonly clock: () => Millis;
  /** For one push, from its turn on; default 10 s. */
  readonly timeoutMs?: number;
  /** Only tests give it: which addresses Web Push may connect to, in place of the public ones. */
  readonly allows?: (address: string) => boolean;
}

/** Throws `ConfigError`. */
export function openProviders(push: Config['push'], options: ProvidersOptions): Providers {
  const { log, registry, timeoutMs, clock } = options;
  const guards = new Map<PushProviderName, Guard<PushAddress>>();
  const observe = pushMetrics(registry, () => new Map([...guards].map(([name, { load }]) => [name, load])));
  for (const adapter of adaptersOf(push, options, observe))
    guards.set(
      adapter.provider,
      new Guard(adapter, {
        ...{ limits: LIMITS[adapter.provider], log, observe, clock },
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      }),
    );
  return {
    on: guards,
    stop: async () => {
      await Promise.all([...guards.values()].map((guard) => guard.stop()));
    },
  };
}

function adaptersOf(
  { apns, fcm, gcm, vapid, webPushHosts: hosts, caFile }: Config['push'],
  { log, clock, allows }: ProvidersOptions,
  observe: Observer,
): Adapter[] {
  const trust = caFile === null ? undefined : readTrust('LANES_PUSH_CA_FILE', caFile);
  const adapters: Adapter[] = [];
  if (apns !== null)
    adapters.push(
      new ApnsAdapter({
        ...apns,
        url: secureUrl('LANES_APNS_URL', apns.url),
        signingKey: readApnsKey(apns.keyFile),
        trust,
        clock,
      }),
    );
  if (fcm !== null)
    adapters.push(
      new FcmAdapter({
        url: secureUrl('LANES_FCM_URL', fcm.url),
        account: readAccount(fcm.serviceAccountFile),
        trust,
        clock,
      }),
    );
  if (gcm !== null)
    adapters.push(new GcmAdapter({ url: secureUrl('LANES_GCM_URL', gcm.url), key: gcm.key, trust, clock }));
  if (vapid !== null) {
    const key = readVapid(vapid.keyFile);
    // What the app's page subscribes with; public.
    log.info({ applicationServerKey: key.publicKey }, 'Web Push is on');
    const onKeyUnknown = (host: string): void => {
      observe.alarm('WEB_PUSH');
      log.error(
        { provider: 'WEB_PUSH', host },
        'a push service refuses one subscription after the other: is the VAPID key another than the one that browsers subscribed with?',
      );
    };
    const subject = contactOf(vapid.subject);
    adapters.push(new WebPushAdapter({ key, subject, hosts, onKeyUnknown, trust, clock, ...(allows && { allows }) }));
  }
  return adapters;
}

function secureUrl<T extends string | null>(name: string, url: T): T {
  if (url !== null && new URL(url).protocol !== 'https:')
    throw new ConfigError(`bad value of ${name}: an https URL, since credentials go there`);
  return url;
}

function contactOf(subject: string): string {
  if (!/^(mailto:[^@\s]+@[^@\s]+|https:\/\/\S+)$/.test(subject))
    throw new ConfigError('bad value of LANES_VAPID_SUBJECT: mailto:somebody@example.org, or an https URL');
  return subject;
}

/** What the file holds, made into something of use; where either fails, the setting is named, and nothing of the content. */
function read<T>(name: string, file: string, wanted: string, make: (text: string) => T): T {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
  try {
    return make(text);
  } catch {
    throw new ConfigError(`${name}: ${file} is not ${wanted}`);
  }
}

const readApnsKey = (file: string): string =>
  read('LANES_APNS_KEY_FILE', file, 'a private key on P-256 in PEM (.p8)', (text) => {
    if (createPrivateKey(text).asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw new Error('another kind of key');
    return text;
  });

const readVapid = (file: string): VapidKey =>
  read('LANES_VAPID_KEY_FILE', file, 'a private key on P-256, in PEM or JSON', parseVapidKey);

const ACCOUNT = z.object({
  type: z.literal('service_account'),
  project_id: z.string().min(1),
  client_email: z.string().min(1),
  private_key: z.string().transform((pem): KeyObject => {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== 'rsa') throw new Error('another kind of key');
    return key;
  }),
  private_key_id: z.string().min(1).optional(),
  token_uri: z.url({ protocol: /^https$/ }),
});

const readAccount = (file: string): ServiceAccount =>
  read('LANES_FCM_SERVICE_ACCOUNT_FILE', file, "a Google service account's JSON", (text) => {
    const account = ACCOUNT.parse(JSON.parse(text));
    return {
      projectId: account.project_id,
      clientEmail: account.client_email,
      privateKey: account.private_key,
      privateKeyId: account.private_key_id,
      tokenUri: account.token_uri,
    };
  });
