/** `npm run bench [-- P1 …] [--quick] [--json]`: measures the figures of docs/benchmarks.md, all of them or those named. */
import { cpus } from 'node:os';
import type { Figure } from './figure.ts';
import { p1, p1f, p1w } from './p1.ts';
import { figureJson, figureText } from './print.ts';
import { type Rig, startRig } from './rig.ts';
import { FULL, type Pace, QUICK } from './rounds.ts';

interface Bench {
  readonly id: string;
  readonly modes: readonly ('always' | 'default')[];
  readonly measure: (rig: Rig, pace: Pace) => Promise<readonly Figure[]>;
}
const BENCHES: readonly Bench[] = [
  { id: 'P1', modes: ['default'], measure: p1 },
  { id: 'P1w', modes: ['default'], measure: p1w },
  { id: 'P1f', modes: ['always'], measure: p1f },
];
const USAGE = `npm run bench [-- ${BENCHES.map(({ id }) => id).join(' ')}] [--quick] [--json]`;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(args: readonly string[]): Promise<number> {
  const options = args.filter((arg) => arg.startsWith('-'));
  const names = args.filter((arg) => !arg.startsWith('-'));
  const unknown = [
    ...options.filter((option) => option !== '--quick' && option !== '--json'),
    ...names.filter((name) => !BENCHES.some(({ id }) => id.toLowerCase() === name.toLowerCase())),
  ];
  if (unknown.length > 0) {
    say(`unknown: ${unknown.join(' ')}\n${USAGE}`);
    return 2;
  }
  const wanted =
    names.length === 0
      ? BENCHES
      : BENCHES.filter(({ id }) => names.some((name) => name.toLowerCase() === id.toLowerCase()));
  const json = options.includes('--json');
  const pace = options.includes('--quick') ? QUICK : FULL;
  if (!json) process.stdout.write(`${header(pace)}\n`);
  return measureAll(wanted, pace, (figure) =>
    process.stdout.write(`${json ? figureJson(figure) : `\n${figureText(figure)}`}\n`),
  );
}

/** Figures of one durability mode share its servers. A figure that cannot be measured does not stop the others. */
async function measureAll(wanted: readonly Bench[], pace: Pace, show: (figure: Figure) => void): Promise<number> {
  let failed = 0;
  for (const mode of ['default', 'always'] as const) {
    const now = wanted.filter(({ modes }) => modes.includes(mode));
    if (now.length === 0) continue;
    const rig = await startRig(mode);
    try {
      for (const { id, measure } of now) {
        say(`${id} [sync_interval: ${mode}] …`);
        try {
          for (const figure of await measure(rig, pace)) show(figure);
        } catch (error) {
          failed++;
          say(`${id}: not measured: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }
    } finally {
      await rig.stop();
    }
  }
  return failed === 0 ? 0 : 1;
}

const header = ({ rounds, ms }: Pace): string =>
  [
    `${new Date().toISOString().slice(0, 10)} · ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}) · Node ${process.versions.node}`,
    `${rounds} rounds of ${ms / 1000} s, limit and ours by turns; medians, then (least–most)`,
    ...(rounds < FULL.rounds ? ['QUICK: fewer and shorter rounds than the rules ask for; a look, not a figure'] : []),
  ].join('\n');

process.exitCode = await main(process.argv.slice(2));
