/** The two ways to load: as much as goes with a fixed number in flight, or a fixed rate on a schedule. */
import { build, type Histogram } from 'hdr-histogram-js';
import { type CpuUse, cpuBetween, type Pids, readCpu } from '../cpu.ts';
import { nowNs, pace } from './pace.ts';

/** With what went wrong if anything did, else with the answer where there is one. */
export type Done = (error?: string, answer?: string) => void;
/** Something that can be done many times at once. */
export interface Load {
  /** Starts one operation; `done` is called once, later. */
  start(done: Done): void;
  close(): Promise<void>;
}
export type LoadJob = { readonly warmMs: number; readonly ms: number; readonly pids: Pids } & (
  | { readonly kind: 'closed'; readonly inFlight: number }
  | { readonly kind: 'open'; readonly rate: number }
);
export interface LoadResult {
  /** Operations that succeeded in the measured window. */
  readonly ops: number;
  readonly perSecond: number;
  readonly failed: number;
  readonly firstError: string | undefined;
  /** From the schedule when there is one, else from the start. */
  readonly latency: Percentiles;
  /** How late operations were started, on a schedule. */
  readonly late: Percentiles | undefined;
  readonly cpu: CpuUse;
}
/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const DRAIN_MS = 15_000;

export const newHistogram = (): Histogram =>
  build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });
export const recordNs = (histogram: Histogram, ns: number): void =>
  histogram.recordValue(Math.min(60_000_000, Math.max(1, Math.round(ns / 1000))));
export const percentilesOf = (histogram: Histogram): Percentiles => ({
  p50: histogram.getValueAtPercentile(50) / 1000,
  p99: histogram.getValueAtPercentile(99) / 1000,
  max: histogram.maxValue / 1000,
});

export const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function runLoad(load: Load, job: LoadJob): Promise<LoadResult> {
  return job.kind === 'closed' ? closedLoop(load, job) : openLoop(load, job);
}

async function closedLoop(load: Load, job: Extract<LoadJob, { kind: 'closed' }>): Promise<LoadResult> {
  const latency = newHistogram();
  const errors = new Errors();
  let [running, measuring, ops, inFlight] = [true, false, 0, 0];
  const next = (): void => {
    const startedNs = nowNs();
    inFlight++;
    load.start((error) => {
      inFlight--;
      if (error !== undefined) errors.add(error);
      else if (measuring) {
        ops++;
        recordNs(latency, nowNs() - startedNs);
      }
      if (running) next();
    });
  };
  for (let i = 0; i < job.inFlight; i++) next();
  await wait(job.warmMs);
  const from = readCpu(job.pids);
  measuring = true;
  await wait(job.ms);
  measuring = false;
  const cpu = cpuBetween(from, readCpu(job.pids));
  running = false;
  await drained(
    () => inFlight === 0,
    () => `${inFlight} of those in flight, ${errors.failed} failed, ${errors.firstError}`,
  );
  return { ops, perSecond: ops / cpu.seconds, ...errors.result, latency: percentilesOf(latency), late: undefined, cpu };
}

async function openLoop(load: Load, job: Extract<LoadJob, { kind: 'open' }>): Promise<LoadResult> {
  const [latency, late] = [newHistogram(), newHistogram()];
  const errors = new Errors();
  const warm = Math.round((job.warmMs * job.rate) / 1000);
  const count = warm + Math.round((job.ms * job.rate) / 1000);
  let [ops, inFlight] = [0, 0];
  let from = readCpu(job.pids);
  await pace(job.rate, count, (i, dueNs) => {
    if (i === warm) from = readCpu(job.pids);
    if (i >= warm) recordNs(late, nowNs() - dueNs);
    inFlight++;
    load.start((error) => {
      inFlight--;
      if (error !== undefined) errors.add(error);
      else if (i >= warm) {
        ops++;
        recordNs(latency, nowNs() - dueNs);
      }
    });
  });
  const cpu = cpuBetween(from, readCpu(job.pids));
  await drained(
    () => inFlight === 0,
    () => `${inFlight} of those in flight, ${errors.failed} failed, ${errors.firstError}`,
  );
  return {
    ops,
    perSecond: ops / cpu.seconds,
    ...errors.result,
    latency: percentilesOf(latency),
    late: percentilesOf(late),
    cpu,
  };
}

class Errors {
  failed = 0;
  firstError: string | undefined;
  add(error: string): void {
    this.failed++;
    this.firstError ??= error;
  }
  get result() {
    return { failed: this.failed, firstError: this.firstError };
  }
}

export async function drained(idle: () => boolean, left?: () => string): Promise<void> {
  const until = Date.now() + DRAIN_MS;
  while (!idle()) {
    if (Date.now() > until)
      throw new Error(
        `operations without an answer after ${DRAIN_MS / 1000} s${left === undefined ? '' : `: ${left()}`}`,
      );
    await wait(5);
  }
}
