/**
 * Group commit into history: while an insert is under way, what all partitions bring gathers, and goes with the next. Nothing
 * waits for a batch to fill.
 */
import type { Store, Unit } from '../views/store.ts';

/** More than one, so that the next batch is made while MongoDB writes. */
const AT_ONCE = 2;
const DOCUMENTS_MAX = 1_000;
/** Of records' payloads, in one insert. A message to MongoDB has at most 48 MB. */
const BYTES_MAX = 4 * 1024 * 1024;
/** Of records' payloads that wait, of all partitions; who brings more waits. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;

interface Waiting {
  readonly unit: Unit;
  done(reason: string | undefined): void;
  failed(error: unknown): void;
}

export class Writer {
  readonly #insert: Store['insert'];
  #waiting: Waiting[] = [];
  #running = 0;
  #heldBytes = 0;
  readonly #atDoor: (() => void)[] = [];

  /** `insert` tries again by itself, and throws only when it gives up for ever. */
  constructor(insert: Store['insert']) {
    this.#insert = insert;
  }

  /** Settles when there is room for the units; `done` when each is in history, with a reason for each that cannot be. */
  async write(units: readonly Unit[]): Promise<{ readonly done: Promise<(string | undefined)[]> }> {
    while (this.#heldBytes > HELD_BYTES_MAX) await new Promise<void>((enter) => this.#atDoor.push(enter));
    const all = units.map(
      (unit) =>
        new Promise<string | undefined>((done, failed) => {
          this.#waiting.push({ unit, done, failed });
          this.#heldBytes += unit.stored.payload.length;
        }),
    );
    if (this.#running < AT_ONCE) void this.#run();
    const done = Promise.all(all);
    done.catch(() => undefined);
    return { done };
  }

  async #run(): Promise<void> {
    this.#running++;
    for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
      try {
        const reasons = await this.#insert(batch.map(({ unit }) => unit));
        for (const [i, { done }] of batch.entries()) done(reasons[i]);
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
      for (const { unit } of batch) this.#heldBytes -= unit.stored.payload.length;
      for (const enter of this.#atDoor.splice(0)) enter();
    }
    this.#running--;
  }

  #next(): Waiting[] {
    let documents = 0;
    let bytes = 0;
    const end = this.#waiting.findIndex(({ unit }, i) => {
      documents += unit.documents.length;
      bytes += unit.stored.payload.length;
      return i > 0 && (documents > DOCUMENTS_MAX || bytes > BYTES_MAX);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }
}
