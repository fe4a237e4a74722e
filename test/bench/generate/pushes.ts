/** What P9 measures: pushes by the provider as a notifier opens it, or the same bytes by Node's own HTTP/2 client. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { LaneId, Seq, UserId } from '../../../schema/ids.ts';
import { messageIdOf } from '../../../schema/ids.ts';
import { readSettings } from '../../../services/config.ts';
import { openProviders } from '../../../services/notifier/providers.ts';
import type { MessagePush } from '../../../services/notifier/push.ts';
import { type Load, type LoadJob, type LoadResult, runLoad } from './load.ts';
import { TEXT } from './operations.ts';
import { serve } from './serve.ts';

export interface Pushes {
  readonly open:
    | { readonly kind: 'ours'; readonly settings: Readonly<Record<string, string>> }
    | { readonly kind: 'bare'; readonly url: string; readonly authority: string };
  readonly opened: undefined;
  readonly run: LoadJob;
  readonly result: LoadResult;
}

/** As many phones take turns, each with a conversation of its own. */
const PHONES = 1_000;
const token = (i: number): string => (i % PHONES).toString(16).padStart(64, 'a');
const HOUR_MS = 60 * 60 * 1000;

function pushOf(i: number): MessagePush {
  const conversationId = `c${i % PHONES}` as LaneId;
  const seq = (1_000 + Math.floor(i / PHONES)) as Seq;
  return {
    ...{
      kind: 'message',
      conversationId,
      seq,
      messageId: messageIdOf(conversationId, seq),
      senderId: 'alice' as UserId,
    },
    ...{ senderName: 'Alice Example', title: 'Lunch', text: TEXT, unread: 3, badge: 7, privacy: false },
    expiresAt: Date.now() + HOUR_MS,
  };
}

function openOurs(settings: Readonly<Record<string, string>>): Load {
  const log = pino({ level: 'silent' });
  const providers = openProviders(readSettings(settings).push, { log, clock: Date.now, registry: new Registry() });
  const apns = providers.on.get('APNS');
  if (apns === undefined) throw new Error('APNs is off');
  const { signal } = new AbortController();
  let turn = 0;
  return {
    start: (done) => {
      const i = turn++;
      apns.push({ provider: 'APNS', token: token(i) }, pushOf(i), { signal }).then((result) => {
        if (result.kind === 'sent') done();
        else done(JSON.stringify(result));
      });
    },
    close: () => providers.stop(),
  };
}

/** A head and a body of the size of ours. */
function openBare(url: string, authority: string): Load {
  const session: ClientHttp2Session = connect(url, { ca: authority });
  const { conversationId, expiresAt, privacy: _, ...rest } = pushOf(0);
  const aps = { alert: { title: rest.title, subtitle: rest.senderName, body: rest.text }, badge: 7, sound: 'default' };
  const lanes = { v: 1, conversationId, ...rest };
  const body = JSON.stringify({ aps: { ...aps, 'thread-id': conversationId, 'mutable-content': 1 }, lanes });
  const head = {
    ':method': 'POST',
    authorization: `bearer ${'x'.repeat(180)}`,
    'apns-push-type': 'alert',
    'apns-topic': 'org.example.chat',
    'apns-expiration': String(Math.floor(expiresAt / 1000)),
    'content-length': String(Buffer.byteLength(body)),
  };
  let turn = 0;
  return {
    start: (done) => {
      const i = turn++;
      const path = `/3/device/${token(i)}`;
      const stream = session.request({ ...head, ':path': path, 'apns-collapse-id': `c${i % PHONES}` });
      let status = 0;
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0;
      });
      stream.on('error', () => {});
      stream.on('close', () => (status === 200 ? done() : done(`status ${status}`)));
      stream.resume();
      stream.end(body);
    },
    close: async () => session.destroy(),
  };
}

let load: Load | undefined;

serve<Pushes>({
  open: async (options) => {
    load = options.kind === 'ours' ? openOurs(options.settings) : openBare(options.url, options.authority);
    return undefined;
  },
  run: (job) => {
    if (load === undefined) throw new Error('not open');
    return runLoad(load, job);
  },
  close: async () => load?.close(),
});
