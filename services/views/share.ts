/** Which partitions are one room's: an even share among all that live, by leases. */
import type { Lease, Leases } from './leases.ts';

export interface Held {
  readonly mine: readonly number[];
  /** Too many: to be released, by `release`, when they are no longer worked on. */
  readonly surplus: readonly number[];
  /** By which others said that they live, and do so no more. Each is listed until it is forgotten. */
  readonly gone: readonly Lease[];
}

export class Share {
  readonly #leases: Leases;
  readonly #partitions: number;
  /** Before the names of the leases: of partitions, and of those that share them. */
  readonly #work: string;
  readonly #presence: string;
  #present = false;

  constructor(leases: Leases, partitions: number, kind: 'projector' | 'receipts' | 'notifier' = 'projector') {
    this.#leases = leases;
    this.#partitions = partitions;
    this.#work = `${kind}:`;
    this.#presence = `${kind}@`;
  }

  /** To be called every second or so: keeps what is ours and takes what nobody holds, up to the share. */
  async keep(): Promise<Held> {
    const presence = this.#presence + this.#leases.owner;
    if (!this.#present) this.#present = await this.#leases.take(presence);
    const all = await this.#leases.list();
    // Whoever was held for dead for a while, and is not, says so again.
    if (this.#present && !all.some(({ name }) => name === presence)) this.#present = await this.#leases.take(presence);
    const others = all.filter(({ name, owner }) => name.startsWith(this.#presence) && owner !== this.#leases.owner);
    const gone = others.filter(({ holds }) => !holds);
    const share = Math.ceil(this.#partitions / (others.length - gone.length + 1));
    const byName = new Map(all.map((lease) => [lease.name, lease]));
    const partitions = Array.from({ length: this.#partitions }, (_, p) => p);
    const had = partitions.filter((p) => byName.get(this.#work + p)?.owner === this.#leases.owner);
    await this.#leases.renew([presence, ...had.map((p) => this.#work + p)]);
    const mine = had.slice(0, share);
    for (const p of partitions) {
      if (mine.length >= share) break;
      const lease = byName.get(this.#work + p);
      if (!lease?.holds && !mine.includes(p) && (await this.#leases.take(this.#work + p, lease))) mine.push(p);
    }
    return { mine, surplus: had.slice(share), gone };
  }

  forget(gone: readonly Lease[]): Promise<void> {
    return this.#leases.forget(gone);
  }

  release(partitions: readonly number[]): Promise<void> {
    return this.#leases.release(partitions.map((p) => this.#work + p));
  }

  /** Whoever waits can go on at once. */
  leave(partitions: readonly number[]): Promise<void> {
    return this.#leases.release([this.#presence + this.#leases.owner, ...partitions.map((p) => this.#work + p)]);
  }
}
