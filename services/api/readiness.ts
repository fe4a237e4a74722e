/** Whether this process can accept a send: asked of the store, at most once a second however often the question comes. */
import type { Millis } from '../../schema/ids.ts';
import type { JetStreamJournal, JournalStatus } from '../journal/jetstream.ts';

const FRESH_MS = 1_000;

export class Readiness {
  #journal: Pick<JetStreamJournal, 'status' | 'clock'> | undefined;
  #asking: Promise<JournalStatus> | undefined;
  #known: { readonly status: JournalStatus; readonly at: Millis } | undefined;
  #draining = false;

  get draining(): boolean {
    return this.#draining;
  }

  /** The store is open: from now on it is asked. */
  opened(journal: Pick<JetStreamJournal, 'status' | 'clock'>): void {
    this.#journal = journal;
  }

  drain(): void {
    this.#draining = true;
  }

  async check(): Promise<JournalStatus> {
    if (this.#draining) return { isReady: false, reason: 'draining' };
    if (!this.#journal) return { isReady: false, reason: 'starting: the store of conversations is not reached yet' };
    const { reason } = this.#journal.clock;
    if (reason !== undefined) return { isReady: false, reason };
    if (this.#known && Date.now() - this.#known.at < FRESH_MS) return this.#known.status;
    this.#asking ??= this.#ask(this.#journal).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(journal: Pick<JetStreamJournal, 'status'>): Promise<JournalStatus> {
    const status = await journal.status();
    this.#known = { status, at: Date.now() };
    return status;
  }
}
