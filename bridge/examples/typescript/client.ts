/** Sends what a job has to send, once, and prints what is said: client.ts <credentials> <conversation> <job> <count> */
import { Lanes } from './lanes.ts';

const [path = '', conversationId = '', job = '', count = '0'] = process.argv.slice(2);
const lanes = await Lanes.connect(path);

async function send(): Promise<void> {
  for (let n = 1; n <= Number(count); n++) {
    // The same job again has the same keys, and each key is one message, for ever.
    const { accepted, refused, errors } = await lanes.ask('send', {
      conversationId,
      clientKey: `${job}-${n}`,
      text: `${job} ${n}`,
    });
    if (!accepted) throw new Error(`not sent: ${(refused ?? errors?.[0])?.message}`);
    console.log(`accepted ${n} ${accepted.seq}${accepted.repeated ? ' again' : ''}`);
  }
}

async function read(): Promise<void> {
  for await (const { event, done } of lanes.events('example', { max_ack_pending: 1 })) {
    const { type, seq, message } = event;
    console.log(`got ${event.conversationId} ${seq} ${type} ${message?.text ?? ''}`);
    done();
  }
}

await Promise.all([send(), read()]);
