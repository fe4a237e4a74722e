/** Says again what others say, once, and marks it as read: echo-bot.ts <credentials> */
import { createHash } from 'node:crypto';
import { Lanes } from './lanes.ts';

const [path = ''] = process.argv.slice(2);
const lanes = await Lanes.connect(path);
console.log('ready');

for await (const { event, done } of lanes.events('echo', { max_ack_pending: 1 })) {
  const { type, conversationId, seq, by, message } = event;
  if (type === 'MessageSent' && by?.id !== lanes.user && message?.text) {
    // Made from what is answered: whoever answers the same message twice, says it once.
    const clientKey = createHash('sha256').update(`echo ${message.id}`).digest('base64url').slice(0, 32);
    await lanes.ask('send', { conversationId, clientKey, text: `You said: ${message.text}`.slice(0, 4_000) });
  }
  // This has stored, and read, everything up to here.
  await lanes.ask('acknowledge', { marks: [{ conversationId, seq }] });
  await lanes.ask('mark-read', { conversationId, seq });
  done();
}
