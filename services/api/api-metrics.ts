/** What the api counts: requests by door, sends by outcome, and what its writing into lanes costs. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LaneId } from '../../schema/ids.ts';
import { LATENCY_S, receiptFigures, submitFigures } from '../journal/figures.ts';
import type { ReceiptsObserver } from '../journal/receipts.ts';
import type { SubmitObserver } from '../journal/submit.ts';

export type Door = 'http' | 'ws' | 'sse';

export interface ApiMetrics {
  /** One request or operation, answered. */
  answered(door: Door, ok: boolean, tookMs: number): void;
  /** A token not seen before, by what came of it. */
  verified(outcome: string): void;
  /** What Submit does; `onFound` hears of lanes whose listeners may have missed a record. */
  observer(onFound: (lane: LaneId) => void): SubmitObserver;
  readonly receipts: ReceiptsObserver;
}

/** What is open, and what is remembered, when the figures are read. */
export interface ApiState {
  readonly connections: () => Readonly<Record<'ws' | 'sse', number>>;
  readonly documents: () => { readonly documents: number; readonly weight: number };
  readonly workRefused: () => number;
}

export function createApiMetrics(registry: Registry, { connections, documents, workRefused }: ApiState): ApiMetrics {
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
  const tokens = new Counter({
    name: 'lanes_tokens_verified_total',
    help: 'Tokens not seen before, by what came of them: good, what is wrong with them, or busy, where too many waited.',
    labelNames: ['outcome'],
    registers,
  });
  new Gauge({
    name: 'lanes_connections',
    help: 'Open sockets and event streams.',
    labelNames: ['door'],
    registers,
    collect() {
      for (const [door, count] of Object.entries(connections())) this.set({ door }, count);
    },
  });
  new Gauge({
    name: 'lanes_documents',
    help: 'GraphQL documents that are remembered.',
    registers,
    collect() {
      this.set(documents().documents);
    },
  });
  new Gauge({
    name: 'lanes_documents_weight',
    help: 'Their tokens and nodes, of about 160 bytes each.',
    registers,
    collect() {
      this.set(documents().weight);
    },
  });
  new Counter({
    name: 'lanes_work_refused_total',
    help: "Documents and answers refused because their user's budget was spent.",
    registers,
    collect() {
      this.reset();
      this.inc(workRefused());
    },
  });
  return {
    answered: (door, ok, tookMs) => {
      requests.inc({ door, ok: ok ? 'yes' : 'no' });
      latency.observe({ door }, tookMs / 1000);
    },
    verified: (outcome) => tokens.inc({ outcome }),
    observer: (onFound) => ({ ...submitFigures(registers), found: onFound }),
    receipts: receiptFigures(registers),
  };
}
