/** What the live streams of a process count, and how it is shown. Counting costs an addition; the registry reads when it is asked. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { StreamKind } from './shares.ts';
import type { ResetReason } from './sources.ts';

export interface StreamCounts {
  followers: number;
  hubs: number;
  /** Frames written to sinks. */
  deliveries: number;
  /** Readers that had to read the lane for themselves. */
  catchUps: number;
  /** Live readers that were too slow for the ring. */
  falls: number;
  /** Records that the live copy did not bring, or not in order, so that the lane was read. */
  gaps: number;
  /** Streams refused because of a limit of this process. */
  refused: number;
  /** Streams refused because their user has its share, by what it has too many of. */
  readonly shares: Record<StreamKind | 'documents', number>;
  readonly resets: Record<ResetReason, number>;
}

export const newStreamCounts = (): StreamCounts => ({
  followers: 0,
  hubs: 0,
  deliveries: 0,
  catchUps: 0,
  falls: 0,
  gaps: 0,
  refused: 0,
  shares: { conversation: 0, inbox: 0, delivery: 0, documents: 0 },
  resets: { TOO_FAR_BEHIND: 0, AHEAD: 0, STORE_REBUILT: 0 },
});

/** `deliveries` says how many streams of `Subscription.delivery` are open when the figures are read. */
export function registerStreamMetrics(registry: Registry, counts: StreamCounts, deliveries = () => 0): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  gauge('lanes_live_subscribers', 'Open streams of conversations.', () => counts.followers);
  gauge('lanes_delivery_subscribers', 'Open streams of deliveries.', deliveries);
  gauge('lanes_live_lanes', 'Conversations that at least one stream follows.', () => counts.hubs);
  counter('lanes_deliveries_total', 'Frames written to streams.', () => counts.deliveries);
  counter('lanes_catch_ups_total', 'Streams that read the lane or history to catch up.', () => counts.catchUps);
  counter(
    'lanes_ring_falls_total',
    'Live streams that were too slow, and fell back to catching up.',
    () => counts.falls,
  );
  counter(
    'lanes_doorbell_gaps_total',
    'Times that a lane was read because its live copy was missed.',
    () => counts.gaps,
  );
  counter('lanes_streams_refused_total', 'Streams refused by a limit of the process.', () => counts.refused);
  new Counter({
    name: 'lanes_stream_shares_refused_total',
    help: 'Streams refused because their user has as many as one may have, by what it has too many of.',
    labelNames: ['share'],
    registers,
    collect() {
      this.reset();
      for (const [share, count] of Object.entries(counts.shares)) this.inc({ share }, count);
    },
  });
  new Counter({
    name: 'lanes_resets_total',
    help: 'Resets sent to streams, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(counts.resets)) this.inc({ reason }, count);
    },
  });
}
