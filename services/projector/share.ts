/** Which partitions are this projector's: an even share among all that live, by leases. */
import type { Leases } from '../views/leases.ts';

const WORK = 'projector:';
const PRESENCE = 'projector@';

export interface Held {
  readonly mine: readonly number[];
  /** Too many: to be released, by `release`, when they are no longer worked on. */
  readonly surplus: readonly number[];
}

export class Share {
  readonly #leases: Leases;
  readonly #partitions: number;
  #present = false;

  constructor(leases: Leases, partitions: number) {
    this.#leases = leases;
    this.#partitions = partitions;
  }

  /** To be called every second or so: keeps what is ours and takes what nobody holds, up to the share. */
  async keep(): Promise<Held> {
    const presence = PRESENCE + this.#leases.owner;
    if (!this.#present) this.#present = await this.#leases.take(presence);
    const all = await this.#leases.list();
    const others = all.filter(
      ({ name, owner, holds }) => name.startsWith(PRESENCE) && holds && owner !== this.#leases.owner,
    );
    const share = Math.ceil(this.#partitions / (others.length + 1));
    const byName = new Map(all.map((lease) => [lease.name, lease]));
    const partitions = Array.from({ length: this.#partitions }, (_, p) => p);
    const had = partitions.filter((p) => byName.get(WORK + p)?.owner === this.#leases.owner);
    await this.#leases.renew([presence, ...had.map((p) => WORK + p)]);
    const mine = had.slice(0, share);
    for (const p of partitions) {
      if (mine.length >= share) break;
      const lease = byName.get(WORK + p);
      if (!lease?.holds && !mine.includes(p) && (await this.#leases.take(WORK + p, lease))) mine.push(p);
    }
    return { mine, surplus: had.slice(share) };
  }

  release(partitions: readonly number[]): Promise<void> {
    return this.#leases.release(partitions.map((p) => WORK + p));
  }

  /** Whoever waits can go on at once. */
  leave(partitions: readonly number[]): Promise<void> {
    return this.#leases.release([PRESENCE + this.#leases.owner, ...partitions.map((p) => WORK + p)]);
  }
}
