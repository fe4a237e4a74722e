/** What `lanes doctor` says of the one budget of all streams, and of the disk that it is to fit on. */
import { statfsSync } from 'node:fs';
import { budgetOf } from '../../schema/streams.ts';
import type { Config, Settings } from '../config.ts';
import { createLogger } from '../logger.ts';
import type { Finding } from './checks.ts';
import { readStoreRoom } from './store-room.ts';

const WHAT = 'budget';
const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** Only where NATS answers. `nats` of the settings: null where the server is ours, and its disk this one. */
export async function checkBudget(
  config: Config,
  { nats, dataDir }: Pick<Settings, 'nats' | 'dataDir'>,
): Promise<Finding[]> {
  try {
    const room = await readStoreRoom(config, createLogger({ logLevel: 'silent' }, 'doctor', 2));
    const { storedBytes, mayHoldBytes, apps, appsMayHoldBytes } = room;
    const share = budgetOf(config.storeBytes).apps;
    const says = `${room.streams} streams may hold ${gib(mayHoldBytes)} of ${gib(config.storeBytes)}, of it ${apps.size} integrations ${gib(appsMayHoldBytes)} of ${gib(share)}`;
    const mend =
      'the next start of the api and the bridge lowers what can be; else raise LANES_STORE_BYTES, or lower LANES_APP_STREAM_BYTES';
    const isOver = mayHoldBytes > config.storeBytes || appsMayHoldBytes > share;
    const budget: Finding = isOver ? { state: 'warning', what: WHAT, says, mend } : { state: 'ok', what: WHAT, says };
    return nats === null ? [budget, checkRoom(dataDir, mayHoldBytes - storedBytes)] : [budget];
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error);
    return [{ state: 'bad', what: WHAT, says, mend: 'is JetStream enabled for our users?' }];
  }
}

function checkRoom(dataDir: string, mayTakeBytes: number): Finding {
  const { bavail, bsize } = statfsSync(dataDir);
  const says = `streams may still take ${gib(mayTakeBytes)}, ${gib(bavail * bsize)} of the disk are free`;
  if (mayTakeBytes <= bavail * bsize) return { state: 'ok', what: WHAT, says };
  return { state: 'warning', what: WHAT, says, mend: 'make room, or lower LANES_STORE_BYTES' };
}
