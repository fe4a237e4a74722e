/** Which generation of the views is in use. Readers may hold it for a little while, so that it costs them nothing. */
import type { Db } from 'mongodb';
import { createGeneration, metaOf, newGenerationName } from './views.ts';

/** A pointer this old is asked for again, aside … */
const REFRESH_MS = 1_000;
/** … and one this old is not used. */
const TRUST_MS = 5_000;
/**
 * What was read of a generation counts only if the pointer was confirmed this shortly before; a stopped process that goes
 * on would else take a dropped collection for an empty one. Shorter than DROP_AFTER_MS, by a query's time.
 */
export const READ_WITHIN_MS = 10_000;
/** A generation is dropped so long after another took its place. */
export const DROP_AFTER_MS = 15_000;

export interface CurrentGeneration {
  /** Undefined: nothing was ever projected. */
  readonly name: string | undefined;
  /** Of `performance.now()`: it was the current one then, or later. */
  readonly confirmedAt: number;
}

export class Generations {
  readonly #db: () => Promise<Db>;
  #current: CurrentGeneration | undefined;
  #reading: Promise<CurrentGeneration> | undefined;

  constructor(db: () => Promise<Db>) {
    this.#db = db;
  }

  async current(): Promise<CurrentGeneration> {
    const current = this.#current;
    const age = current ? performance.now() - current.confirmedAt : Number.POSITIVE_INFINITY;
    if (current && age < REFRESH_MS) return current;
    const reading = this.refresh();
    if (!current || age >= TRUST_MS) return reading;
    reading.catch(() => undefined);
    return current;
  }

  refresh(): Promise<CurrentGeneration> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<CurrentGeneration> {
    const confirmedAt = performance.now();
    const name = await readGeneration(await this.#db());
    this.#current = { name, confirmedAt };
    return this.#current;
  }
}

export async function readGeneration(db: Db): Promise<string | undefined> {
  return (await metaOf(db).findOne({ _id: 'generation' }))?.current;
}

/** The current generation, made if there is none; whoever else makes one at the same time gets the same. */
export async function ensureGeneration(db: Db): Promise<string> {
  const name = await readGeneration(db);
  if (name !== undefined) {
    await createGeneration(db, name);
    return name;
  }
  const made = newGenerationName();
  await createGeneration(db, made);
  await metaOf(db).updateOne({ _id: 'generation' }, { $setOnInsert: { current: made } }, { upsert: true });
  return (await readGeneration(db)) ?? made;
}

/** Settles when every reader that asks from now on is sent to `to`. */
export async function switchGeneration(db: Db, to: string): Promise<void> {
  await metaOf(db).updateOne({ _id: 'generation' }, { $set: { current: to } }, { upsert: true });
}
