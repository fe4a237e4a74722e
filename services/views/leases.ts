/** Who works on what, for a while: leases by the server's own clock. They save work twice; nothing depends on them being right. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, platform } from 'node:os';
import { type Db, MongoServerError } from 'mongodb';
import { type LeaseDocument, leasesOf } from './views.ts';

const LEASE_MS = 10_000;
const DUPLICATE_KEY = 11_000;

export interface Lease {
  readonly name: string;
  readonly owner: string;
  /** False: it may be taken. */
  readonly holds: boolean;
  readonly until: Date;
}

export class Leases {
  /** Differs for each that works, also within one process. */
  readonly owner: string;
  readonly #db: () => Promise<Db>;

  constructor(db: () => Promise<Db>, owner: string) {
    this.#db = db;
    this.owner = owner;
  }

  async list(): Promise<Lease[]> {
    const found = await leasesOf(await this.#db())
      .aggregate<LeaseDocument & { inTime: boolean }>([{ $set: { inTime: { $gt: ['$until', '$$NOW'] } } }])
      .toArray();
    return found.map((lease) => {
      const { _id: name, owner, until, inTime } = lease;
      return { name, owner, until, holds: inTime && !isGone(lease) };
    });
  }

  /** `from`: the lease as it was listed, where there was one. True: it is ours for the next 10 s. */
  async take(name: string, from?: Lease): Promise<boolean> {
    try {
      const taken = await leasesOf(await this.#db()).updateOne(
        { _id: name, owner: from?.owner ?? this.owner },
        [{ $set: { ...SELF, owner: this.owner, until: UNTIL } }],
        { upsert: true },
      );
      return taken.matchedCount + taken.upsertedCount > 0;
    } catch (error) {
      if (error instanceof MongoServerError && error.code === DUPLICATE_KEY) return false;
      throw error;
    }
  }

  async renew(names: readonly string[]): Promise<void> {
    const mine = { _id: { $in: [...names] }, owner: this.owner };
    await leasesOf(await this.#db()).updateMany(mine, [{ $set: { until: UNTIL } }]);
  }

  /** Those of others that are gone, if nobody has taken or renewed them since they were listed. */
  async forget(gone: readonly Lease[]): Promise<void> {
    if (gone.length === 0) return;
    await leasesOf(await this.#db()).deleteMany({
      $or: gone.map(({ name: _id, owner, until }) => ({ _id, owner, until })),
    });
  }

  async release(names: readonly string[]): Promise<void> {
    await leasesOf(await this.#db()).deleteMany({ _id: { $in: [...names] }, owner: this.owner });
  }
}

const UNTIL = { $add: ['$$NOW', LEASE_MS] };
const BEGAN = Math.round(performance.timeOrigin);

/** Undefined: it cannot be told. Within one place a process's number means that process and no other. */
function placeOfProcesses(): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    // Where there are no namespaces the machine is the place. Elsewhere a number alone says nothing.
    return platform() === 'linux' ? undefined : hostname();
  }
}
const PLACE = placeOfProcesses();
const SELF = { host: hostname(), place: PLACE ?? '$$REMOVE', pid: process.pid, began: BEGAN };

/**
 * A process of this place that is gone gives up its leases at once, so that a restart does not wait for them to run out. One of
 * another place, also on this machine, is not looked for: its leases run out.
 */
function isGone({ place, pid, began }: LeaseDocument): boolean {
  if (place === undefined || place !== PLACE) return false;
  if (pid === process.pid) return began !== BEGAN;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
