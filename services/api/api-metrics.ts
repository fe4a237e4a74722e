/** What the api counts: requests by door, sends by outcome, and what its writing into lanes costs. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Outcome } from '../../schema/commands.ts';
import type { LaneId } from '../../schema/ids.ts';
import type { ReceiptsObserver } from '../journal/receipts.ts';
import type { SubmitObserver } from '../journal/submit.ts';

export type Door = 'http' | 'ws' | 'sse';

export interface ApiMetrics {
  /** One request or operation, answered. */
  answered(door: Door, ok: boolean, tookMs: number): void;
  /** What Submit does; `onFound` hears of lanes whose listeners may have missed a record. */
  observer(onFound: (lane: LaneId) => void): SubmitObserver;
  readonly receipts: ReceiptsObserver;
}

const LATENCY_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** `open` says how many connections of a kind there are when the figures are read. */
export function createApiMetrics(registry: Registry, open: () => Readonly<Record<'ws' | 'sse', number>>): ApiMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'lanes_requests_total',
    help: 'Requests and socket operations, by door and whether the answer was free of errors.',
    labelNames: ['door', 'ok'],
    registers,
  });
  const latency = new Histogram({
    name: 'lanes_request_seconds',
    help: 'From a request read to its answer written; streams are not in it.',
    labelNames: ['door'],
    buckets: LATENCY_S,
    registers,
  });
  new Gauge({
    name: 'lanes_connections',
    help: 'Open sockets and event streams.',
    labelNames: ['door'],
    registers,
    collect() {
      for (const [door, count] of Object.entries(open())) this.set({ door }, count);
    },
  });
  return {
    answered: (door, ok, tookMs) => {
      requests.inc({ door, ok: ok ? 'yes' : 'no' });
      latency.observe({ door }, tookMs / 1000);
    },
    observer: (onFound) => ({ ...submitFigures(registers), found: onFound }),
    receipts: receiptFigures(registers),
  };
}

function receiptFigures(registers: Registry[]): ReceiptsObserver {
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

function submitFigures(registers: Registry[]): Omit<SubmitObserver, 'found'> {
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
