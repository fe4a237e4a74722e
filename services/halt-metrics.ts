/** Which partitions a room's consumers stand still in, as its figures and its `/readyz` show it (journal/halts.ts). */
import { Gauge, type Registry } from 'prom-client';

export type Service = 'projector' | 'receipts' | 'notifier' | 'bridge';
/** `reason` undefined: it goes on, or the partition is another process's. */
export type OnHalt = (partition: number, reason: string | undefined) => void;

/** What one process's consumers stand still at, for its figures and its `/readyz`. */
export class Halts {
  readonly #gauge: Gauge;
  readonly #reasons = new Map<string, string>();
  readonly #others: { readonly reason: string | undefined }[] = [];

  constructor(registry: Registry) {
    this.#gauge = new Gauge({
      name: 'lanes_halted_partitions',
      help: '1: the service does not go on in this partition, whose stream is another one than it had read: lanes resume',
      labelNames: ['service', 'partition'],
      registers: [registry],
    });
  }

  of(service: Service): OnHalt {
    return (partition, reason) => {
      const name = `${service} ${partition}`;
      if (reason === undefined) {
        this.#reasons.delete(name);
        this.#gauge.remove({ service, partition });
      } else {
        this.#reasons.set(name, `${service}, partition ${partition}: ${reason}: lanes resume ${service}`);
        this.#gauge.set({ service, partition }, 1);
      }
    };
  }

  /** What else keeps the process from being ready, while it gives a reason. */
  also(part: { readonly reason: string | undefined }): void {
    this.#others.push(part);
  }

  /** Undefined: nothing stands still. */
  get reason(): string | undefined {
    const all = [...this.#reasons.values(), ...this.#others.flatMap(({ reason }) => reason ?? [])];
    return all.length === 0 ? undefined : all.join('\n');
  }
}
