/**
 * Parts of Lanes as a careless hand could have built them, each beside the right one: what the checker has to catch. Only the
 * part itself is broken; everything around it is the product.
 */
import { randomUUID } from 'node:crypto';
import type { Db } from 'mongodb';
import type { LaneId } from '../../schema/ids.ts';
import { MemoryJournal } from '../../services/journal/memory.ts';
import type { KeyHistory } from '../../services/journal/submit.ts';
import { Store, type Unit } from '../../services/views/store.ts';
import { generationOf, KEY_INDEX } from '../../services/views/views.ts';

/** A store of lanes that can lose its power. The right one has every record on its disk before it answers. */
export class PoweredJournal extends MemoryJournal {
  readonly #written: { readonly lane: LaneId; readonly payload: Uint8Array }[] = [];
  readonly #syncEvery: number;
  #synced = 0;

  /** `syncEvery` 1: the right one. More: it answers first, and writes when so many records have gathered. */
  constructor(syncEvery: number) {
    super({ partitions: 1 });
    this.#syncEvery = syncEvery;
  }

  override put(lane: LaneId, payload: Uint8Array) {
    this.#written.push({ lane, payload });
    if (this.#written.length % this.#syncEvery === 0) this.#synced = this.#written.length;
    return super.put(lane, payload);
  }

  /** What is there when the power comes back. */
  restarted(): PoweredJournal {
    const next = new PoweredJournal(this.#syncEvery);
    for (const { lane, payload } of this.#written.slice(0, this.#synced)) next.put(lane, payload);
    return next;
  }
}

/** The look-up of old keys as it answers without an index behind it: it knows of none. */
export const blindHistory: KeyHistory = {
  findKeys: async ({ lane }, wanted) => ({ upTo: lane.seq, found: wanted.map(() => undefined) }),
};

/** Kept where a projector is killed: what it had under way never goes on. */
export interface Death {
  readonly died: Promise<void>;
  die(): Promise<never>;
}
export function deathOf(): Death {
  let tell: () => void = () => {};
  const died = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return {
    died,
    die: () => {
      tell();
      return new Promise<never>(() => {});
    },
  };
}

type StoreOf = (db: () => Promise<Db>, generation: string, death: Death) => Store;

/** The right one, killed when an insert is done and before its watermark is written. */
export const killedAfterInsert: StoreOf = (db, generation, { die }) => {
  class Killed extends Store {
    override async insert(units: readonly Unit[]) {
      await super.insert(units);
      return die();
    }
  }
  return new Killed(db, generation);
};

/** The right one, killed before it inserts. */
export const killedBeforeInsert: StoreOf = (db, generation, { die }) => {
  class Killed extends Store {
    override insert() {
      return die();
    }
  }
  return new Killed(db, generation);
};

/** History without its unique indexes: what is inserted again is there again. */
export const withoutUniqueIndex =
  (then: (done: (string | undefined)[]) => Promise<(string | undefined)[]>) =>
  (db: () => Promise<Db>, generation: string): Store => {
    class Careless extends Store {
      override async insert(units: readonly Unit[]) {
        const { history } = generationOf(await db(), generation);
        await history.dropIndex(KEY_INDEX).catch(() => undefined);
        const documents = units.flatMap((unit) => unit.documents);
        await history.insertMany(documents.map((one) => ({ ...one, _id: { ...one._id, n: randomUUID() } })));
        return then(units.map(() => undefined));
      }
    }
    return new Careless(db, generation);
  };

/** Says how far it is before it has written it, and is killed in between. */
export const watermarkFirst: StoreOf = (db, generation, { die }) => {
  class Hasty extends Store {
    override async insert(units: readonly Unit[]) {
      const last = units.at(-1) as Unit;
      const { revision: w, record, storedAt: at } = last.stored;
      await this.advance([{ partition: last.partition, w, rid: record?.id ?? null, at }]);
      return die();
    }
  }
  return new Hasty(db, generation);
};
