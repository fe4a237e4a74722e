/**
 * Hears "remind me in 10 minutes to call Bob", and does: remind-bot.ts <credentials>. It keeps nothing: an event whose time has not
 * come is put back, and the stream gives it again then, to whichever process runs.
 */
import { createHash } from 'node:crypto';
import { type Given, Lanes } from './lanes.ts';

const WISH = /^remind me in (\d{1,6}) (second|minute|hour)s? to (.+)$/is;
const MS: Readonly<Record<string, number>> = { second: 1_000, minute: 60_000, hour: 3_600_000 };
/** The stream keeps an event for a week. */
const MOST_MS = 6 * 24 * 3_600_000;

const [path = ''] = process.argv.slice(2);
const lanes = await Lanes.connect(path);
console.log('ready');

const keyOf = (what: string, id: string): string =>
  createHash('sha256').update(`${what} ${id}`).digest('base64url').slice(0, 32);

async function hear({ event, done, later }: Given): Promise<void> {
  const { type, conversationId, seq, by, at, message } = event;
  const [, count, unit = '', what] =
    (type === 'MessageSent' && by?.id !== lanes.user && WISH.exec(message?.text ?? '')) || [];
  const say = (kind: string, text: string) =>
    lanes.ask('send', { conversationId, clientKey: keyOf(kind, `${conversationId}:${seq}`), text });
  if (what !== undefined) {
    const wait = Number(count) * (MS[unit.toLowerCase()] ?? 0);
    const left = Date.parse(at ?? '') + wait - Date.now();
    if (wait > MOST_MS) await say('no', 'That is too far away for me: a few days at the most.');
    // Each of these is said once, however often the event comes.
    else if (left > 0) {
      await say('yes', `I will remind you in ${count} ${unit}${count === '1' ? '' : 's'}.`);
      return later(left);
    } else await say('now', `${by?.id}: ${what}`);
  }
  await lanes.ask('mark-read', { conversationId, seq });
  done();
}

for await (const given of lanes.events('remind', { max_ack_pending: 1_000 })) await hear(given);
