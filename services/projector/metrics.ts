/** The projector's figures. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { OnHalt } from '../halt-metrics.ts';
import type { Observer } from './session.ts';

export interface ProjectorMetrics extends Observer {
  /** Records of the partition that are not in history yet; the oldest of them was stored at most so long ago. */
  behind(partition: number, records: number, sinceMs: number): void;
  /** The partition is another's now. */
  gone(partition: number): void;
}

export function projectorMetrics(registry: Registry, onHalt: OnHalt): ProjectorMetrics {
  const registers = [registry];
  const lagRecords = new Gauge({
    name: 'lanes_projector_lag_records',
    help: 'Records of a partition that are not in history yet',
    labelNames: ['partition'],
    registers,
  });
  const behindSeconds = new Gauge({
    name: 'lanes_projector_behind_seconds',
    help: 'How long ago, at most, the oldest record of a partition that is not in history yet was stored; 0: there is none',
    labelNames: ['partition'],
    registers,
  });
  const lag = new Histogram({
    name: 'lanes_projector_lag_seconds',
    help: 'From a record being stored in its lane to its being in history, of the oldest record of each batch',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600],
    registers,
  });
  const rows = new Counter({ name: 'lanes_projector_rows_total', help: 'Events written to history', registers });
  const inserts = new Histogram({
    name: 'lanes_projector_insert_rows',
    help: 'Events in one insert',
    buckets: [1, 3, 10, 30, 100, 300, 1000],
    registers,
  });
  const alarms = new Counter({
    name: 'lanes_projector_alarms_total',
    help: 'Records that were parked by this process: somebody has to look',
    registers,
  });
  const parked = new Gauge({
    name: 'lanes_projector_parked',
    help: 'Records of a partition that are not in history and will not be, until somebody mends that',
    labelNames: ['partition'],
    registers,
  });
  const halted = new Gauge({
    name: 'lanes_projector_halted',
    help: '1: the partition is not the one that history was made from: lanes resume projector',
    labelNames: ['partition'],
    registers,
  });
  return {
    inserted: (count) => {
      rows.inc(count);
      inserts.observe(count);
    },
    projected: (ageMs) => lag.observe(Math.max(0, ageMs) / 1000),
    parked: (partition, records) => parked.set({ partition }, records),
    alarm: () => alarms.inc(),
    halted: (partition, reason) => {
      halted.set({ partition }, reason === undefined ? 0 : 1);
      onHalt(partition, reason);
    },
    behind: (partition, records, sinceMs) => {
      lagRecords.set({ partition }, records);
      behindSeconds.set({ partition }, Math.max(0, sinceMs) / 1000);
    },
    gone: (partition) => {
      lagRecords.remove({ partition });
      behindSeconds.remove({ partition });
      halted.remove({ partition });
      onHalt(partition, undefined);
      parked.remove({ partition });
    },
  };
}
