/** What the bridge counts of commands: by verb and by how they ended, and the answers that could not be given. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { LATENCY_S } from '../services/journal/figures.ts';
import type { CommandObserver } from './commands.ts';
import type { ServiceObserver } from './service.ts';

/** `size` says how many are under way when the figures are read. */
export function createCommandMetrics(registry: Registry, size: () => number): CommandObserver & ServiceObserver {
  const registers = [registry];
  const answered = new Counter({
    name: 'lanes_bridge_commands_total',
    help: 'Requests of integrations, by verb and by the form of the reply: accepted, refused, result, or the code of the error.',
    labelNames: ['verb', 'form'],
    registers,
  });
  const latency = new Histogram({
    name: 'lanes_bridge_command_seconds',
    help: 'From a request read to its reply.',
    buckets: LATENCY_S,
    registers,
  });
  const unanswered = new Counter({
    name: 'lanes_bridge_unanswered_total',
    help: 'Requests on NATS without an answer. foreign: the reply subject was not its own, and nothing was done. silent: it asked for none.',
    labelNames: ['why'],
    registers,
  });
  new Gauge({
    name: 'lanes_bridge_commands_in_flight',
    help: 'Requests of integrations under way.',
    registers,
    collect() {
      this.set(size());
    },
  });
  return {
    answered: (verb, form, tookMs) => {
      answered.inc({ verb, form });
      latency.observe(tookMs / 1000);
    },
    unanswered: (why) => unanswered.inc({ why }),
  };
}
