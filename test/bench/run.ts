/**
 * `npm run bench [-- P1 …] [--quick] [--json] [--profile=folder]`: measures the figures of docs/benchmarks.md, all of them or
 * those named. With `--profile` the rooms write CPU profiles, for Chrome's DevTools, into the folder.
 */
import { cpus } from 'node:os';
import { b1 } from './b1.ts';
import { b2 } from './b2.ts';
import { b3 } from './b3.ts';
import { b4 } from './b4.ts';
import type { Figure } from './figure.ts';
import { i1, i2 } from './inbox.ts';
import { n1 } from './n1.ts';
import { p1, p1f, p1w } from './p1.ts';
import { p2 } from './p2.ts';
import { p3 } from './p3.ts';
import { p4, p4b } from './p4.ts';
import { p5 } from './p5.ts';
import { p6 } from './p6.ts';
import { p9 } from './p9.ts';
import { p10 } from './p10.ts';
import { figureJson, figureText } from './print.ts';
import { r1 } from './receipts.ts';
import { type Rig, startRig } from './rig.ts';
import { FULL, type Pace, QUICK } from './rounds.ts';

interface Bench {
  readonly id: string;
  readonly modes: readonly ('always' | 'default')[];
  readonly measure: (rig: Rig, pace: Pace) => AsyncGenerator<Figure>;
}
const BENCHES: readonly Bench[] = [
  { id: 'P1', modes: ['default'], measure: p1 },
  { id: 'P1w', modes: ['default'], measure: p1w },
  { id: 'P1f', modes: ['always'], measure: p1f },
  { id: 'P2', modes: ['default', 'always'], measure: p2 },
  { id: 'P3', modes: ['default', 'always'], measure: p3 },
  { id: 'P4', modes: ['default'], measure: p4 },
  { id: 'P4b', modes: ['default'], measure: p4b },
  { id: 'P5', modes: ['default'], measure: p5 },
  { id: 'P6', modes: ['default'], measure: p6 },
  { id: 'P9', modes: ['default'], measure: p9 },
  { id: 'P10', modes: ['always'], measure: p10 },
  { id: 'I1', modes: ['default'], measure: i1 },
  { id: 'I2', modes: ['default'], measure: i2 },
  { id: 'N1', modes: ['always'], measure: n1 },
  { id: 'R1', modes: ['default', 'always'], measure: r1 },
  { id: 'B1', modes: ['default', 'always'], measure: b1 },
  { id: 'B2', modes: ['default'], measure: b2 },
  { id: 'B3', modes: ['default'], measure: b3 },
  { id: 'B4', modes: ['default'], measure: b4 },
];
const USAGE = `npm run bench [-- ${BENCHES.map(({ id }) => id).join(' ')}] [--quick] [--json] [--profile=folder]`;

const PROFILE = '--profile=';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(args: readonly string[]): Promise<number> {
  const options = args.filter((arg) => arg.startsWith('-'));
  const names = args.filter((arg) => !arg.startsWith('-'));
  const unknown = [
    ...options.filter((option) => option !== '--quick' && option !== '--json' && !option.startsWith(PROFILE)),
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
  const profileDir = options.find((option) => option.startsWith(PROFILE))?.slice(PROFILE.length);
  return measureAll(wanted, pace, profileDir, (figure) =>
    process.stdout.write(`${json ? figureJson(figure) : `\n${figureText(figure)}`}\n`),
  );
}

/** Settles at Ctrl-C: the servers are stopped then, and the other children end when this process is gone. */
const interrupted = new Promise<'interrupted'>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
});

/** Figures of one durability mode share its servers. A figure that cannot be measured does not stop the others. */
async function measureAll(
  wanted: readonly Bench[],
  pace: Pace,
  profileDir: string | undefined,
  show: (figure: Figure) => void,
): Promise<number> {
  let failed = 0;
  for (const mode of ['default', 'always'] as const) {
    const now = wanted.filter(({ modes }) => modes.includes(mode));
    if (now.length === 0) continue;
    const rig = await startRig(mode, profileDir);
    try {
      for (const { id, measure } of now) {
        say(`${id} [sync_interval: ${mode}] …`);
        try {
          const figures = measure(rig, pace);
          for (;;) {
            const next = await Promise.race([figures.next(), interrupted]);
            if (next === 'interrupted') return 130;
            if (next.done === true) break;
            show(next.value);
          }
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

const header = ({ rounds, ms, moreRounds }: Pace): string =>
  [
    `${new Date().toISOString().slice(0, 10)} · ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}) · Node ${process.versions.node}`,
    `${rounds} rounds of ${ms / 1000} s, limit and ours by turns; medians, then (least–most)`,
    ...(moreRounds > 0 ? [`up to ${moreRounds} more rounds where the machine was busy with something else`] : []),
    ...(rounds < FULL.rounds ? ['QUICK: fewer and shorter rounds than the rules ask for; a look, not a figure'] : []),
  ].join('\n');

const code = await main(process.argv.slice(2));
if (code === 130) process.exit(code);
process.exitCode = code;
