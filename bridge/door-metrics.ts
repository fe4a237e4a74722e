/** The figures of the doors. */
import { Counter, type Registry } from 'prom-client';
import type { GateOutcome } from './gate.ts';
import type { OutReason } from './judge.ts';

export interface DoorMetrics {
  door(outcome: OutReason | 'in' | 'unreadable' | 'overloaded'): void;
  gate(outcome: GateOutcome): void;
}

export function doorMetricsOf(registry: Registry): DoorMetrics {
  const registers = [registry];
  const doors = new Counter({
    name: 'lanes_bridge_doors_total',
    help: 'Connections that asked to come in, by what was decided',
    labelNames: ['outcome'] as const,
    registers,
  });
  const gate = new Counter({
    name: 'lanes_bridge_gate_total',
    help: 'Requests of integrations to JetStream and to discovery, by what became of them',
    labelNames: ['outcome'] as const,
    registers,
  });
  return {
    door: (outcome) => doors.inc({ outcome: outcome.replaceAll(' ', '_') }),
    gate: (outcome) => gate.inc({ outcome: outcome.replaceAll(' ', '_') }),
  };
}
