/** What writing lanes and receipts costs, the same figures in every room that writes. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Outcome } from '../../schema/commands.ts';
import type { ServerClock } from './clock.ts';
import type { ReceiptsObserver } from './receipts.ts';
import type { SubmitObserver } from './submit.ts';

/** Upper bounds of a histogram, in seconds. */
export const LATENCY_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Of every room: each compares its own time with others'. */
export function clockFigure(registers: Registry[], clock: Pick<ServerClock, 'offsetMs'>): void {
  new Gauge({
    name: 'lanes_clock_offset_ms',
    help: 'How far the process’s own clock is ahead of NATS’s; negative: behind. What is compared with others goes by that of NATS.',
    registers,
    collect() {
      this.set(clock.offsetMs);
    },
  });
}

/** `registers`: of the room that writes. */
export function receiptFigures(registers: Registry[]): ReceiptsObserver {
  const marks = new Counter({
    name: 'lanes_marks_total',
    help: 'Delivered and read marks on their way into the log of receipts, by what became of their append.',
    labelNames: ['outcome'],
    registers,
  });
  const appends = new Histogram({
    name: 'lanes_receipt_append_seconds',
    help: 'From an append to the log of receipts to its answer.',
    buckets: LATENCY_S,
    registers,
  });
  return {
    appended: (tookMs, kind, count) => {
      marks.inc({ outcome: kind }, count);
      appends.observe(tookMs / 1000);
    },
  };
}

/** `lost`: as it is when the figure is read. */
export function lostStoreFigure(registers: Registry[], lost: () => readonly number[]): void {
  new Gauge({
    name: 'lanes_lost_store_partitions',
    help: '1: the stream is not the one that history was made from; its conversations that only history holds are UNAVAILABLE.',
    labelNames: ['partition'],
    registers,
    collect() {
      this.reset();
      for (const partition of lost()) this.set({ partition }, 1);
    },
  });
}

export function submitFigures(registers: Registry[]): Omit<SubmitObserver, 'found'> {
  const outcomes = new Counter({
    name: 'lanes_sends_total',
    help: 'Commands that write a lane, by outcome: accepted, repeated, unchanged, unknown, unavailable, or the refusal.',
    labelNames: ['outcome'],
    registers,
  });
  const appends = new Histogram({
    name: 'lanes_append_seconds',
    help: 'One append to the store, by what became of it.',
    labelNames: ['outcome'],
    buckets: LATENCY_S,
    registers,
  });
  const batches = new Histogram({
    name: 'lanes_append_events',
    help: 'Events in one appended record.',
    buckets: BATCH,
    registers,
  });
  const conflicts = new Counter({
    name: 'lanes_conflicts_total',
    help: 'Appends that another writer was before.',
    registers,
  });
  const lookUps = new Counter({
    name: 'lanes_key_look_ups_total',
    help: 'Client keys looked up in history.',
    registers,
  });
  return {
    outcome: (outcome) => outcomes.inc({ outcome: nameOf(outcome) }),
    appended: (tookMs, kind, events) => {
      appends.observe({ outcome: kind }, tookMs / 1000);
      if (kind === 'stored') batches.observe(events);
    },
    conflict: () => conflicts.inc(),
    lookedUp: (keys) => lookUps.inc(keys),
  };
}

function nameOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'accepted':
      return outcome.ack.repeated ? 'repeated' : outcome.ack.changed ? 'accepted' : 'unchanged';
    case 'refused':
      return outcome.refusal.code;
    case 'unknown':
    case 'unavailable':
      return outcome.kind;
    default:
      return outcome satisfies never;
  }
}
