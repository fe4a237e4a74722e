/** What pushing counts. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { PushProviderName } from '../views/push-address.ts';
import type { Load, Observer } from './guard.ts';

/** `loads` says how each provider is doing when the figures are read. */
export function pushMetrics(registry: Registry, loads: () => ReadonlyMap<PushProviderName, Load>): Observer {
  const registers = [registry];
  const pushes = new Counter({
    name: 'lanes_pushes_total',
    help: 'Pushes by provider and outcome: sent, dead-token, refused, retry, credentials.',
    labelNames: ['provider', 'outcome'],
    registers,
  });
  const latency = new Histogram({
    name: 'lanes_push_seconds',
    help: 'One push from its being asked for, with the wait for its turn, to its outcome.',
    labelNames: ['provider'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
    registers,
  });
  const alarms = new Counter({
    name: 'lanes_push_alarms_total',
    help: 'Times that a provider began to refuse our credentials or settings: somebody has to look.',
    labelNames: ['provider'],
    registers,
  });
  const gauge = (name: string, help: string, figureOf: (load: Load) => number): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ['provider'],
      registers,
      collect() {
        for (const [provider, load] of loads()) this.set({ provider }, figureOf(load));
      },
    });
  gauge('lanes_push_under_way', 'Pushes that wait for a provider’s answer.', ({ underWay }) => underWay);
  gauge('lanes_push_waiting', 'Pushes that wait for their turn.', ({ waiting }) => waiting);
  new Gauge({
    name: 'lanes_push_circuits_open',
    help: 'Hosts of a provider that nothing is sent to now, by cause: trouble (it does not answer, or not well), credentials.',
    labelNames: ['provider', 'cause'],
    registers,
    collect() {
      for (const [provider, { open }] of loads())
        for (const [cause, hosts] of Object.entries(open)) this.set({ provider, cause }, hosts);
    },
  });
  return {
    pushed: (provider, outcome, tookMs) => {
      // That its token has another in its place says nothing about the push.
      pushes.inc({ provider, outcome: outcome === 'replaced' ? 'sent' : outcome });
      latency.observe({ provider }, tookMs / 1000);
    },
    alarm: (provider) => alarms.inc({ provider }),
  };
}
