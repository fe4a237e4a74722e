/** All providers on this machine, with keys of their own, and the settings that make a notifier use them. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApnsServer, startApnsServer } from './apns.ts';
import { createAuthority } from './certificates.ts';
import { type GcmServer, startGcmServer } from './gcm.ts';
import { type FcmServer, type OauthServer, startFcmServer, startOauthServer } from './google.ts';
import type { Hooks } from './secure-server.ts';
import { startWebPushServer, type WebPushServer } from './web-push.ts';

export interface TestProviders {
  readonly apns: ApnsServer;
  readonly oauth: OauthServer;
  readonly fcm: FcmServer;
  readonly gcm: GcmServer;
  /** Reached by an adapter that was told that it may: it is on an address that is not public. */
  readonly webPush: WebPushServer;
  /** `LANES_…`, with files in `dir`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly dir: string;
  stop(): Promise<void>;
}

export const TOPIC = 'org.example.chat';
const [TEAM_ID, KEY_ID, PROJECT, EMAIL] = ['TEAM123456', 'KEY1234567', 'chat-test', 'push@chat-test.example'];
const SUBJECT = 'mailto:push@example.org';
const GCM_KEY = 'gcm-secret-key';

/** Made once in a process: they take their time. */
const authority = createAuthority();
const apnsKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const vapidKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const accountKey = generateKeyPairSync('rsa', { modulusLength: 2048 });

export interface ProvidersOptions {
  readonly fcmHttp1?: boolean;
  /** Of Apple's server and of Firebase's. */
  readonly hooks?: { readonly apns: Hooks; readonly fcm: Hooks };
}

export async function startProviders({ fcmHttp1 = false, hooks }: ProvidersOptions = {}): Promise<TestProviders> {
  const dir = mkdtempSync(join(tmpdir(), 'lanes-push-'));
  const account = { clientEmail: EMAIL, privateKeyId: 'k1', publicKey: accountKey.publicKey };
  const apns = await startApnsServer({
    ...{ authority, teamId: TEAM_ID, keyId: KEY_ID, publicKey: apnsKey.publicKey },
    topics: [TOPIC, `${TOPIC}.beta`],
    ...(hooks && { hooks: hooks.apns }),
  });
  const oauth = await startOauthServer({ authority, ...account });
  const fcm = await startFcmServer({
    ...{ authority, projectId: PROJECT, oauth, http1: fcmHttp1 },
    ...(hooks && { hooks: hooks.fcm }),
  });
  const gcm = await startGcmServer({ authority, key: GCM_KEY });
  const applicationServerKey = pointOf(vapidKey.publicKey);
  const webPush = await startWebPushServer({ authority, applicationServerKey, subject: SUBJECT });
  const file = (name: string, text: string): string => {
    const path = join(dir, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const serviceAccount = {
    ...{ type: 'service_account', project_id: PROJECT, client_email: EMAIL, private_key_id: 'k1' },
    private_key: pem(accountKey.privateKey),
    token_uri: `${oauth.url}/token`,
  };
  const settings = {
    LANES_APNS_URL: apns.url,
    LANES_APNS_KEY_FILE: file('apns.p8', pem(apnsKey.privateKey)),
    LANES_APNS_KEY_ID: KEY_ID,
    LANES_APNS_TEAM_ID: TEAM_ID,
    LANES_APNS_TOPIC: TOPIC,
    LANES_FCM_URL: fcm.url,
    LANES_FCM_SERVICE_ACCOUNT_FILE: file('account.json', JSON.stringify(serviceAccount)),
    LANES_GCM_URL: gcm.endpoint,
    LANES_GCM_KEY: GCM_KEY,
    LANES_VAPID_KEY_FILE: file('vapid.pem', pem(vapidKey.privateKey)),
    LANES_VAPID_SUBJECT: SUBJECT,
    LANES_WEB_PUSH_HOSTS: '*',
    LANES_PUSH_CA_FILE: file('ca.pem', authority.certificate),
  };
  return {
    ...{ apns, oauth, fcm, gcm, webPush, settings, dir },
    stop: async () => {
      await Promise.all([apns, oauth, fcm, gcm, webPush].map((server) => server.stop()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

function pointOf(key: KeyObject): string {
  const { x = '', y = '' } = createPublicKey(key.export({ type: 'spki', format: 'pem' })).export({ format: 'jwk' });
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]).toString('base64url');
}
