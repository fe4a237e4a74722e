/**
 * The newest live copies of a stream, a run without holes; dropped as a whole when it breaks, grows too long, or may be of
 * another stream than what was read before.
 */
import type { Msg } from 'nats';
import type { Stoppable } from './journal.ts';
import type { Link } from './link.ts';
import { type Answer, answerOf, numberOf } from './message.ts';
import type { RecordId } from './place.ts';

/** A live copy may be lost: this often the stream itself is asked. */
export const POLL_MS = 1_000;
/** Live copies held for a reader who is behind; past it they are dropped and read from the stream. */
const HELD_BATCHES = 4;
const HELD_BYTES = 8 * 1024 * 1024;

interface Copies<T> {
  /** Where the server republishes what it has stored. */
  readonly liveSubjects: string;
  recordOf(answer: Answer): T;
  idOf(record: T): RecordId;
}

export class LiveTail<T> {
  readonly #source: Copies<T>;
  readonly #maxBatch: number;
  readonly #stops: readonly Stoppable[];
  #run: Answer[] = [];
  /** The sequence of the run's first. */
  #first = 0;
  #bytes = 0;
  #missed = true;
  #askedAt = 0;
  #isDoubtful = true;
  #doubts = 0;
  #wake: (() => void) | undefined;

  constructor(link: Link, source: Copies<T>, maxBatch: number) {
    this.#source = source;
    this.#maxBatch = maxBatch;
    this.#stops = [
      link.subscribe(source.liveSubjects, (message) => this.#came(message)),
      link.onChange(() => this.doubt()),
    ];
  }

  /** Counts the reasons to doubt that the stream is the one that was read. */
  get doubts(): number {
    return this.#doubts;
  }

  /** None of these copies is given before the stream itself was compared, by a read that begins after this call. */
  doubt(): void {
    this.#doubts++;
    this.#isDoubtful = true;
    this.#drop(this.#run.length);
    this.ring();
  }

  /** The stream was compared, by a read that began when there were so many doubts. */
  believe(doubts: number): void {
    if (doubts === this.#doubts) this.#isDoubtful = false;
  }

  /** Up to `maxBatch` records from `next` on; none where the run does not hold `next`. `known`: what was read before `next`. */
  take(next: number, known: RecordId | undefined): T[] {
    const passed = next - this.#first;
    if (passed < 0 || this.#run.length === 0) return [];
    if (!this.#follows(passed, known)) this.doubt();
    if (this.#isDoubtful) return [];
    const taken = this.#run.slice(passed, passed + this.#maxBatch);
    this.#drop(passed + taken.length);
    return taken.map((answer) => this.#source.recordOf(answer));
  }

  /** False: copies of what was read already are, or may be, of other records. */
  #follows(passed: number, known: RecordId | undefined): boolean {
    if (passed === 0 || known === undefined) return true;
    const before = this.#run[passed - 1];
    return before !== undefined && this.#source.idOf(this.#source.recordOf(before)) === known;
  }

  /** There are records from `next` on that the run does not hold. */
  isPast(next: number): boolean {
    return this.#run.length > 0 && this.#first > next;
  }

  /** True once for each reason to ask the stream itself. */
  mayHaveMissed(): boolean {
    const now = performance.now();
    const missed = this.#missed || now - this.#askedAt >= POLL_MS;
    if (missed) this.#askedAt = now;
    this.#missed = false;
    return missed;
  }

  ring(): void {
    this.#missed = true;
    this.wake();
  }

  wake(): void {
    this.#wake?.();
  }

  /** Settles at the next copy, ring or wake; at once where one came since the last look. */
  async bell(ms: number): Promise<void> {
    if (this.#missed || this.#run.length > 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  stop(): void {
    for (const stoppable of this.#stops) stoppable.stop();
    this.#drop(this.#run.length);
  }

  #came(message: Msg): void {
    const answer = answerOf(message);
    const sequence = numberOf(answer.head, 'Nats-Sequence');
    if (!Number.isSafeInteger(sequence)) {
      this.ring();
      return;
    }
    const isFull = this.#run.length >= HELD_BATCHES * this.#maxBatch || this.#bytes >= HELD_BYTES;
    if (this.#run.length > 0 && (isFull || sequence !== this.#first + this.#run.length)) {
      this.#drop(this.#run.length);
      this.#missed = true;
    }
    if (this.#run.length === 0) this.#first = sequence;
    this.#run.push(answer);
    this.#bytes += answer.data.length;
    this.wake();
  }

  #drop(count: number): void {
    for (let i = 0; i < count && i < this.#run.length; i++) this.#bytes -= (this.#run[i] as Answer).data.length;
    this.#run = count >= this.#run.length ? [] : this.#run.slice(count);
    this.#first += count;
  }
}
