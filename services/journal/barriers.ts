/**
 * What makes a read of a cluster certain. A node that was frozen while another became leader takes itself for the leader when it
 * wakes, and answers with what was. Only an append that was accepted proves something: a quorum holds it, and what was
 * acknowledged before it was sent lies before it in the stream. So an answer of whichever replica that reaches up to such an
 * append is not of the past.
 *
 * A barrier is such an append: an empty message on a subject of its own, of which the stream keeps the last one only.
 */
import { barrierSubject } from '../../schema/subjects.ts';
import { outcomeOf } from './append-outcome.ts';
import type { Questions } from './ask.ts';
import { Fresh } from './fresh.ts';
import { JournalUnavailable } from './journal.ts';
import { headersOf } from './message.ts';

/** Elections, and a leader that steps down, are waited for so long; a query has not much more patience. */
const TRYING_MS = 1_000;
const AGAIN_MS = 50;
/** A node that only takes itself for the leader never answers. */
const ANSWER_MS = 500;
const RECENT_MS = 1_000;

export class Barriers {
  readonly #questions: Pick<Questions, 'publish'>;
  readonly #raised = new Fresh<number, number | undefined>((partition) => this.#raise(partition));
  /** When the last one of each partition was taken. */
  readonly #takenAt = new Map<number, number>();

  constructor(questions: Pick<Questions, 'publish'>) {
    this.#questions = questions;
  }

  /**
   * A stream sequence of the partition that is above everything acknowledged before this call. Calls of one moment share one
   * barrier. Undefined: the stream is full, and takes no barrier either. Throws JournalUnavailable.
   */
  above(partition: number): Promise<number | undefined> {
    return this.#raised.ask(partition);
  }

  /** Settles where a quorum took one within the last second, or takes one now. Throws JournalUnavailable. */
  async recent(partition: number): Promise<void> {
    if (performance.now() - (this.#takenAt.get(partition) ?? Number.NEGATIVE_INFINITY) > RECENT_MS)
      await this.above(partition);
  }

  async #raise(partition: number): Promise<number | undefined> {
    const until = performance.now() + TRYING_MS;
    for (;;) {
      const outcome = await this.#append(partition);
      switch (outcome.kind) {
        case 'stored':
          this.#takenAt.set(partition, performance.now());
          return outcome.revision;
        case 'full':
          return undefined;
        case 'conflict':
        case 'busy':
        case 'unknown':
          if (performance.now() > until)
            throw new JournalUnavailable(`the store cannot be read now: nothing shows that it is not of the past`);
          break;
        default:
          outcome satisfies never;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async #append(partition: number) {
    try {
      const answer = await this.#questions.publish(barrierSubject(partition), EMPTY, ROLLUP, ANSWER_MS);
      return outcomeOf(answer ?? { head: '', data: EMPTY });
    } catch (error) {
      if (!(error instanceof JournalUnavailable)) throw error;
      return { kind: 'unknown', message: error.message } as const;
    }
  }
}

const EMPTY = new Uint8Array();
const ROLLUP = headersOf('Nats-Rollup: sub');
