/** Goes on in partitions where a service stands still, because their stream is another one than it had read. */
import { type Config, ConfigError, readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import { JournalUnavailable } from '../journal/journal.ts';
import type { Target } from '../journal/resume.ts';
import { createLogger, type Logger } from '../logger.ts';
import { type Command, complain, type Given, say, UsageError } from './command.ts';

/** What became of one partition, in words; undefined: it does not stand still. */
type Resume = (partition: number) => Promise<string | undefined>;
/** Opens what a service's places are in, lends `resume` to `use`, and closes it. */
export type With = (
  config: Config,
  log: Logger,
  target: Target,
  use: (resume: Resume) => Promise<number>,
) => Promise<number>;

const ANSWER_MS = 10 * 60_000;

const SERVICES: Readonly<Record<string, () => Promise<{ readonly resuming: With }>>> = {
  projector: () => import('./resume-projector.ts'),
  receipts: () => import('./resume-receipts.ts'),
  notifier: () => import('./resume-notifier.ts'),
  bridge: () => import('./resume-bridge.ts'),
};

export const command: Command = {
  usage: `usage: lanes resume <${Object.keys(SERVICES).join('|')}> [--partition N] [--from <stream sequence> | --end]

A service stands still in a partition whose stream is not the one that it had read: it lost its newest records, or was restored
or made anew ("lanes doctor" names it). This tells the service where to go on; it does so within a few seconds. First make sure
that the stream is the one that you want to keep.

Without --from and --end it goes on with the first record that came in place of what was lost. What the service holds of records
from there on, which are lost, is forgotten.

  --partition  that one only; else every one in which it stands still
  --from       goes on with the record of that stream sequence
  --end        goes on with what comes; what there is already is passed over: "lanes rebuild" brings history of it`,
  options: { partition: { type: 'string' }, from: { type: 'string' }, end: { type: 'boolean' } },
  words: [1, 1],
  run: async (given) => {
    const service = given.positionals[0] ?? '';
    const load = Object.hasOwn(SERVICES, service) ? SERVICES[service] : undefined;
    if (!load) throw new UsageError(`which service? ${Object.keys(SERVICES).join(', ')}`);
    const target = targetOf(given);
    const config = openConfig(readSettings());
    const partitions = partitionsOf(given, config.partitions);
    const log = createLogger({ logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel }, 'resume', 2);
    const { resuming } = await load();
    try {
      return await resuming(config, log, target, (resume) => resumeAll(service, partitions, resume));
    } catch (error) {
      throw error instanceof JournalUnavailable ? new ConfigError(error.message) : error;
    }
  },
};

async function resumeAll(service: string, partitions: readonly number[], resume: Resume): Promise<number> {
  let resumed = 0;
  for (const partition of partitions) {
    const says = await resume(partition);
    if (says === undefined) continue;
    resumed++;
    say(`${service}, partition ${partition}: ${says}`);
  }
  if (resumed === 0) complain(`${service} does not stand still there`);
  return 0;
}

function targetOf({ text, flag }: Given): Target {
  const from = text('from');
  if (from !== undefined && flag('end')) throw new UsageError('either --from or --end');
  if (flag('end')) return { kind: 'end' };
  return from === undefined ? { kind: 'after the lost' } : { kind: 'from', revision: wholeOf('from', from, 1) };
}

function partitionsOf({ text }: Given, count: number): readonly number[] {
  const given = text('partition');
  if (given === undefined) return Array.from({ length: count }, (_, p) => p);
  const partition = wholeOf('partition', given, 0);
  if (partition >= count) throw new UsageError(`--partition is below ${count}`);
  return [partition];
}

function wholeOf(name: string, word: string, least: number): number {
  const number = Number(word);
  if (!Number.isSafeInteger(number) || number < least)
    throw new UsageError(`--${name} is a whole number from ${least}`);
  return number;
}

/** No command waits longer for what does not come. */
export const giveUp = (): AbortSignal => AbortSignal.timeout(ANSWER_MS);
