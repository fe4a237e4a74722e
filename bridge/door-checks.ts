/** What must be so in NATS before the doors can be opened; `lanes doctor` asks the same. */
import { GATE_SRV } from '../schema/subjects.ts';
import { ConfigError, type NatsAddress } from '../services/config.ts';
import { Questions } from '../services/journal/ask.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { jsonOf } from '../services/journal/message.ts';

const CHECK_MS = 2_000;

/** The integrations' account is another than the lanes': in one account a reply subject alone could write into a lane. */
export async function ownAccountOf(
  link: Link,
  nats: NatsAddress,
  open: (address: NatsAddress, name: string) => Promise<Link>,
): Promise<string> {
  const lanes = await open(nats, 'bridge-check');
  try {
    const [ours, theirs] = [await accountOf(link), await accountOf(lanes)];
    if (ours === theirs)
      throw new ConfigError(
        `LANES_NATS_BRIDGE_USER is in the account ${ours}, where the lanes are: it needs one of its own (docs/bridge.md)`,
      );
    return ours;
  } finally {
    await lanes.close();
  }
}

async function accountOf(link: Link): Promise<string> {
  for (;;) {
    try {
      const answer = await new Questions(link).one('$SYS.REQ.USER.INFO');
      const { data } = jsonOf(answer?.data ?? Buffer.from('{}')) as { data?: { account?: string } };
      return data?.account ?? '';
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
    }
  }
}

/** Without them integrations have no right that leads anywhere near JetStream: nothing is open, and nothing works. */
export async function hasMappings(link: Link): Promise<boolean> {
  const token = crypto.randomUUID();
  return new Promise<boolean>((resolve) => {
    const listening = link.subscribe(`${GATE_SRV}CHECK.${token}`, () => done(true));
    const timer = setTimeout(() => done(false), CHECK_MS);
    const done = (result: boolean): void => {
      clearTimeout(timer);
      listening.stop();
      resolve(result);
    };
    link.send(`$SRV.CHECK.${token}`);
  });
}
