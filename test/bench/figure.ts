/** A figure of the bench: what came out, beside what limits it and what was wanted. */
import type { CpuUse } from './cpu.ts';

/** `always`, `default`: nats-server's `sync_interval`. `none`: nothing is stored. */
export type Mode = 'always' | 'default' | 'none';
/** Each unit in its own form: 'sends/s', 'ms', 'KiB', … */
export type Unit = string;
export type Goal = {
  /** What is compared: ours / limit, ours - limit, or ours alone. */
  readonly of: 'ratio' | 'difference' | 'value';
  readonly is: 'at least' | 'at most';
  readonly value: number;
};
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}
/** One side in one round. `void`: why it does not count. */
export interface Sample {
  readonly value: number;
  readonly void?: string | undefined;
  /** Operations that `cpu` was used for. */
  readonly ops?: number;
  readonly cpu?: CpuUse;
}
export interface Figure {
  readonly id: string;
  readonly what: string;
  readonly mode: Mode;
  readonly unit: Unit;
  readonly ours: Spread | undefined;
  readonly limit: Spread | undefined;
  readonly ratio: Spread | undefined;
  readonly difference: Spread | undefined;
  readonly target: Goal | undefined;
  readonly stretch: Goal | undefined;
  /** Rounds that count. */
  readonly rounds: number;
  /** Lines for the reader: CPU on each side, what was voided, what was set. */
  readonly notes: readonly string[];
}
export interface Wanted {
  readonly id: string;
  readonly what: string;
  readonly mode: Mode;
  readonly unit: Unit;
  readonly target?: Goal;
  readonly stretch?: Goal;
  readonly notes?: readonly string[];
}

export const ratioAtLeast = (value: number): Goal => ({ of: 'ratio', is: 'at least', value });
export const ratioAtMost = (value: number): Goal => ({ of: 'ratio', is: 'at most', value });
export const moreAtMost = (value: number): Goal => ({ of: 'difference', is: 'at most', value });
export const valueAtLeast = (value: number): Goal => ({ of: 'value', is: 'at least', value });
export const valueAtMost = (value: number): Goal => ({ of: 'value', is: 'at most', value });

export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number };
}

/** Pairs of one round each. A round of which a side is void does not count, and the notes say so. */
export function figureOf(wanted: Wanted, ours: readonly Sample[], limit: readonly Sample[]): Figure {
  const pairs = ours.map((mine, i) => [mine, limit[i]] as const);
  const valid = pairs.filter(([mine, theirs]) => !mine.void && !theirs?.void);
  const voided = pairs.flatMap(([mine, theirs]) => [mine.void ?? theirs?.void ?? []].flat());
  const beside = valid.flatMap(([mine, theirs]) => (theirs === undefined ? [] : [[mine.value, theirs.value] as const]));
  return {
    id: wanted.id,
    what: wanted.what,
    mode: wanted.mode,
    unit: wanted.unit,
    target: wanted.target,
    stretch: wanted.stretch,
    ours: spreadOf(valid.map(([mine]) => mine.value)),
    limit: spreadOf(beside.map(([, theirs]) => theirs)),
    ratio: spreadOf(beside.map(([mine, theirs]) => mine / theirs)),
    difference: spreadOf(beside.map(([mine, theirs]) => mine - theirs)),
    rounds: valid.length,
    notes: [
      ...cpuNotes(
        'ours',
        valid.map(([mine]) => mine),
      ),
      ...cpuNotes(
        'limit',
        valid.flatMap(([, theirs]) => theirs ?? []),
      ),
      ...(wanted.notes ?? []),
      ...(voided.length > 0
        ? [`void: ${voided.length} of ${pairs.length} rounds (${[...new Set(voided)].join('; ')})`]
        : []),
    ],
  };
}

/** Share of a core. Above it the machine was too busy with something else for the figure to mean much. */
export const OTHERS_MOST = 0.25;

/** µs of CPU per operation, each process by itself. */
function cpuNotes(side: string, samples: readonly Sample[]): string[] {
  const measured = samples.filter((sample) => sample.cpu !== undefined && (sample.ops ?? 0) > 0);
  if (measured.length === 0) return [];
  const names = Object.keys(measured[0]?.cpu?.usedUs ?? {});
  const medianOf = (of: (cpu: CpuUse, ops: number) => number): number =>
    spreadOf(measured.map(({ cpu, ops }) => of(cpu as CpuUse, ops ?? 1)))?.median ?? 0;
  const parts = names.map((name) => `${name} ${medianOf((cpu, ops) => (cpu.usedUs[name] ?? 0) / ops).toFixed(1)}`);
  const busy = names.map(
    (name) => `${name} ${percent(medianOf((cpu) => (cpu.usedUs[name] ?? 0) / (cpu.seconds * 1e6)))}`,
  );
  const others = medianOf((cpu) => cpu.others);
  return [
    `${side}: CPU µs per operation: ${parts.join(', ')}; of one core: ${busy.join(', ')}; others on the machine ${percent(others)}${others > OTHERS_MOST ? ', which is TOO MUCH: no valid figure' : ''}`,
  ];
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Undefined: not measured, or nothing to meet. */
export function isMet(figure: Figure, goal: Goal | undefined): boolean | undefined {
  const value = { ratio: figure.ratio, difference: figure.difference, value: figure.ours }[goal?.of ?? 'value']?.median;
  if (goal === undefined || value === undefined) return undefined;
  return goal.is === 'at least' ? value >= goal.value : value <= goal.value;
}

/** Above this share of a core the generator, not the server, may have been what was measured. */
const GENERATOR_MOST = 0.85;

/** Why the round does not count; undefined where it does. */
export function voidOf(cpu: CpuUse): string | undefined {
  const { generator = 0 } = cpu.usedUs;
  const share = generator / (cpu.seconds * 1e6);
  return share > GENERATOR_MOST ? `the generator used ${percent(share)} of its core` : undefined;
}
