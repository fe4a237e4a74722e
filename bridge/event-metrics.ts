/** The figures of what integrations are sent. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AppId } from '../schema/ids.ts';

export interface EventMetrics {
  /** The oldest of them was stored in its lane so long ago. */
  delivered(events: number, ageMs: number): void;
  replayed(events: number): void;
  dead(app: AppId): void;
  /** `records`: of the lanes, not delivered yet; `unread`: messages that its slowest durable consumer has not acknowledged. */
  behind(app: AppId, records: number, unread: number): void;
  reset(app: AppId): void;
  gone(app: AppId): void;
}

export function eventMetrics(registry: Registry): EventMetrics {
  const registers = [registry];
  const events = new Counter({ name: 'lanes_bridge_events_total', help: 'Events delivered, each to each', registers });
  const lag = new Histogram({
    name: 'lanes_bridge_event_lag_seconds',
    help: 'From a record being stored in its lane to its events lying in the streams of integrations',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600],
    registers,
  });
  const replayed = new Counter({ name: 'lanes_bridge_replayed_events_total', help: 'Events replayed', registers });
  const labelNames = ['app'] as const;
  const dead = new Counter({ name: 'lanes_bridge_dead_total', help: 'Dead letters written', labelNames, registers });
  const resets = new Counter({
    name: 'lanes_bridge_resets_total',
    help: 'Conversations of which something went unread',
    labelNames,
    registers,
  });
  const behind = new Gauge({
    name: 'lanes_bridge_integration_behind_records',
    help: 'Records of the lanes that the bridge has not looked at for an integration',
    labelNames,
    registers,
  });
  const unread = new Gauge({
    name: 'lanes_bridge_integration_lag',
    help: 'Messages in its stream that the slowest durable consumer of an integration has not acknowledged',
    labelNames,
    registers,
  });
  return {
    delivered: (count, ageMs) => {
      events.inc(count);
      lag.observe(Math.max(0, ageMs) / 1000);
    },
    replayed: (count) => replayed.inc(count),
    dead: (app) => dead.inc({ app }),
    reset: (app) => resets.inc({ app }),
    behind: (app, records, waiting) => {
      behind.set({ app }, records);
      unread.set({ app }, waiting);
    },
    gone: (app) => {
      behind.remove({ app });
      unread.remove({ app });
    },
  };
}
