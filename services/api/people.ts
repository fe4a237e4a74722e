/**
 * Names and pictures for users' ids: what was last seen in a token. Kept in history's store, written behind, read through a
 * bounded cache, and never waited for long: a name is a courtesy, and null is an answer.
 */
import type { Millis, UserId } from '../../schema/ids.ts';
import type { Logger } from '../logger.ts';
import type { History } from '../views/history.ts';
import type { Person } from '../views/people.ts';

const NOBODY: Person = {};

/** People remembered; the longest unused goes first. */
const MAX_REMEMBERED = 50_000;
/** How old what is remembered may be: other processes see tokens too. */
const FRESH_MS = 60_000;
/** How long a reader waits for a name. */
const PATIENCE_MS = 250;
/** After a failure nobody waits for this long. */
const PAUSE_MS = 5_000;
const MAX_READ_BATCH = 500;
/** People waiting to be read; past it they are nobody. */
const MAX_WAITING = 10_000;
/** People waiting to be written; past it the oldest is dropped, and written when seen again. */
const MAX_UNWRITTEN = 10_000;
const WRITE_EVERY_MS = 1_000;

interface Remembered {
  readonly person: Person;
  readonly until: Millis;
}

export class People {
  readonly #history: Pick<History, 'people' | 'rememberPeople'>;
  readonly #log: Logger;
  readonly #remembered = new Map<UserId, Remembered>();
  readonly #waiting = new Map<
    UserId,
    { readonly promise: Promise<Person>; readonly answer: (person: Person) => void }
  >();
  #unwritten = new Map<UserId, Person>();
  #reading = false;
  #pausedUntil: Millis = 0;
  readonly #writer: NodeJS.Timeout;
  #writing: Promise<void> = Promise.resolve();

  constructor(history: Pick<History, 'people' | 'rememberPeople'>, log: Logger) {
    this.#history = history;
    this.#log = log;
    this.#writer = setInterval(() => this.#write(), WRITE_EVERY_MS).unref();
  }

  /** At once where it is remembered. Never rejects, and is there within about PATIENCE_MS. */
  find(id: UserId): Person | Promise<Person> {
    const known = this.#remembered.get(id);
    const now = Date.now();
    if (known && known.until > now) return known.person;
    if (now < this.#pausedUntil || this.#waiting.size >= MAX_WAITING) return known?.person ?? NOBODY;
    return this.#ask(id).promise;
  }

  /** Somebody came with a token that says this. Costs nothing where it is known already. */
  seen(id: UserId, person: Person): void {
    const known = this.#remembered.get(id)?.person;
    if (known && known.name === person.name && known.avatarUrl === person.avatarUrl) return;
    // A token that says neither says nothing.
    if (person.name === undefined && person.avatarUrl === undefined) return;
    this.#remember(id, person);
    this.#unwritten.delete(id);
    this.#unwritten.set(id, person);
    dropOldest(this.#unwritten, MAX_UNWRITTEN);
  }

  /** Writes what was seen, as far as history takes it, and stops. */
  async stop(): Promise<void> {
    clearInterval(this.#writer);
    this.#write();
    await this.#writing;
    for (const { answer } of this.#waiting.values()) answer(NOBODY);
    this.#waiting.clear();
  }

  #ask(id: UserId): { readonly promise: Promise<Person> } {
    const asked = this.#waiting.get(id);
    if (asked) return asked;
    let answer: (person: Person) => void = () => {};
    const promise = new Promise<Person>((resolve) => {
      answer = resolve;
    });
    const waiting = { promise, answer };
    this.#waiting.set(id, waiting);
    if (!this.#reading) {
      this.#reading = true;
      // Everybody asked for in this turn of the loop goes into one read.
      setImmediate(() => void this.#read());
    }
    return waiting;
  }

  async #read(): Promise<void> {
    while (this.#waiting.size > 0) {
      const ids = [...this.#waiting.keys()].slice(0, MAX_READ_BATCH);
      const impatient = setTimeout(() => this.#settle(ids, new Map(), false), PATIENCE_MS);
      try {
        this.#settle(ids, await this.#history.people(ids), true);
      } catch (error) {
        this.#pausedUntil = Date.now() + PAUSE_MS;
        this.#log.debug({ err: error }, 'names not read');
        this.#settle([...this.#waiting.keys()], new Map(), false);
      } finally {
        clearTimeout(impatient);
      }
    }
    this.#reading = false;
  }

  #settle(ids: readonly UserId[], people: ReadonlyMap<UserId, Person>, known: boolean): void {
    for (const id of ids) {
      const person = people.get(id) ?? this.#remembered.get(id)?.person ?? NOBODY;
      if (known) this.#remember(id, person);
      this.#waiting.get(id)?.answer(person);
      this.#waiting.delete(id);
    }
  }

  #remember(id: UserId, person: Person): void {
    this.#remembered.delete(id);
    this.#remembered.set(id, { person, until: Date.now() + FRESH_MS });
    dropOldest(this.#remembered, MAX_REMEMBERED);
  }

  #write(): void {
    if (this.#unwritten.size === 0) return;
    const people = this.#unwritten;
    this.#unwritten = new Map();
    const rows = [...people].map(([id, person]) => ({ id, ...person }));
    this.#writing = this.#writing.then(() =>
      this.#history.rememberPeople(rows).catch((error: unknown) => {
        this.#log.debug({ err: error }, 'names not written; tried again');
        this.#unwritten = new Map([...people, ...this.#unwritten]);
        dropOldest(this.#unwritten, MAX_UNWRITTEN);
      }),
    );
  }
}

function dropOldest<K>(map: Map<K, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}
