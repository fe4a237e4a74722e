/** The notifier's figures; those of pushes themselves are in push-metrics.ts. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { NoPushReason } from '../../schema/delivery.ts';
import type { OnHalt } from '../halt-metrics.ts';

export interface NotifierMetrics {
  /** So many recipients, of one message or several. */
  decided(verdict: 'PUSH' | NoPushReason, recipients: number): void;
  /** From the moment that a record's grace was over to its items being stored. */
  decidedLate(ms: number): void;
  /** Records of the partition whose time has not come, or that are not decided yet. */
  behind(partition: number, records: number): void;
  /** Undefined: it goes on. */
  halted(partition: number, reason: string | undefined): void;
  /** The partition is another's now. */
  gone(partition: number): void;
  /** Items in the work queue. */
  queued(items: number): void;
  /** Items taken from it and not done. */
  held(items: number): void;
  /** An item goes back for a while, because too many of its conversation wait here. */
  putOff(): void;
  /** Entries of the ledger whose time had come and that were put into the queue again. */
  swept(entries: number): void;
  /** Read pushes: those that tell devices that a notification is read. */
  cleared(outcome: string): void;
}

export function notifierMetrics(registry: Registry, onHalt: OnHalt): NotifierMetrics {
  const registers = [registry];
  const decided = new Counter({
    name: 'lanes_notifier_decided_total',
    help: 'Recipients of messages by what was decided of them: PUSH, or why no push goes',
    labelNames: ['verdict'],
    registers,
  });
  const late = new Histogram({
    name: 'lanes_notifier_late_seconds',
    help: 'From the end of a message’s time of grace to its decision, of the oldest of each batch',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600],
    registers,
  });
  const behind = new Gauge({
    name: 'lanes_notifier_waiting_records',
    help: 'Records of a partition that wait for their time, or for the notifier',
    labelNames: ['partition'],
    registers,
  });
  const queued = new Gauge({ name: 'lanes_notifier_queued_items', help: 'Items in the work queue', registers });
  const held = new Gauge({
    name: 'lanes_notifier_held_items',
    help: 'Items that were taken from the work queue and are not done',
    registers,
  });
  const putOff = new Counter({
    name: 'lanes_notifier_put_off_total',
    help: 'Items that went back to the work queue for a while, because too many of their conversation were held',
    registers,
  });
  const swept = new Counter({
    name: 'lanes_notifier_retried_total',
    help: 'Pushes that were taken up again: their provider was busy or in trouble, or who pushed them died',
    registers,
  });
  const cleared = new Counter({
    name: 'lanes_notifier_read_pushes_total',
    help: 'Pushes that tell a device that its notification was read elsewhere, by outcome',
    labelNames: ['outcome'],
    registers,
  });
  return {
    decided: (verdict, recipients) => recipients > 0 && decided.inc({ verdict }, recipients),
    decidedLate: (ms) => late.observe(Math.max(0, ms) / 1000),
    behind: (partition, records) => behind.set({ partition }, records),
    halted: onHalt,
    gone: (partition) => {
      behind.remove({ partition });
      onHalt(partition, undefined);
    },
    queued: (items) => queued.set(items),
    held: (items) => held.set(items),
    putOff: () => putOff.inc(),
    swept: (entries) => entries > 0 && swept.inc(entries),
    cleared: (outcome) => cleared.inc({ outcome: outcome === 'replaced' ? 'sent' : outcome }),
  };
}
