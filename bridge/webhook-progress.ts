/** How far one integration's webhook has come, as the store has it. */
import type { AppId, Millis } from '../schema/ids.ts';
import type { Line, WebhookSource } from './webhook-source.ts';
import type { Behind, Position, Read, Stored, WebhookState } from './webhook-state.ts';

export interface Loaded {
  readonly next: number;
  readonly last: Read | undefined;
  readonly downSince: Millis | undefined;
  readonly behind: ReadonlyMap<Line, Behind>;
}
export interface Standing {
  readonly next: number;
  readonly last: Read | undefined;
  readonly downSince: Millis | undefined;
  readonly behind: Iterable<Behind & { readonly line: Line }>;
}

/** Every method throws JournalUnavailable. */
export class WebhookProgress {
  readonly #app: AppId;
  readonly #source: WebhookSource;
  readonly #state: WebhookState;
  #position: Stored<Position> = { value: { since: 0, stream: '', next: 1 }, revision: 0 };
  /** Of conversations that are, or were, behind. */
  readonly #records = new Map<Line, Stored<Behind>>();

  constructor(app: AppId, source: WebhookSource, state: WebhookState) {
    this.#app = app;
    this.#source = source;
    this.#state = state;
  }

  /**
   * Of the webhook since then; a new one, or one whose stream is another now, begins at that time. One whose stream lost its end
   * goes on with the first event that was stored after the last one that was read. Throws Overtaken.
   */
  async load(since: Millis): Promise<Loaded> {
    const { created, last } = await this.#source.stream();
    const stored = await this.#state.position(this.#app);
    this.#records.clear();
    if (stored?.value.since === since && stored.value.stream === created && mayGoOn(stored.value, last)) {
      this.#position = stored;
      for (const [line, record] of await this.#state.behind(this.#app)) this.#records.set(line, record);
      if (await this.#isCut(stored.value.last, last)) await this.#cut(stored, last);
    } else {
      await this.#state.dropAllBehind(this.#app);
      const value: Position = { since, stream: created, next: await this.#source.placeAt(since, last) };
      const revision = await this.#state.putPosition(this.#app, value, stored?.revision ?? 0);
      this.#position = { value, revision };
    }
    const { next, last: read, downSince } = this.#position.value;
    const behind = new Map([...this.#records].map(([line, { value }]) => [line, value]));
    return { next, last: read, downSince, behind };
  }

  /** False: it is another stream of that name, or has not what we have read. */
  async isSameStream(next: number, read: Read | undefined): Promise<boolean> {
    const { created, last } = await this.#source.stream();
    return created === this.#position.value.stream && next <= last + 1 && !(await this.#isCut(read, last));
  }

  /** The stream lost the event that was read last: it ends before, or has another there. What was removed says nothing. */
  async #isCut(read: Read | undefined, end: number): Promise<boolean> {
    if (read === undefined) return false;
    if (read.at > end) return true;
    const there = await this.#source.at(read.at);
    return there !== undefined && (there.id !== read.id || there.storedAt !== read.storedAt);
  }

  async #cut({ value, revision }: Stored<Position>, end: number): Promise<void> {
    const after = await this.#source.placeAt((value.last?.storedAt ?? 0) + 1, end);
    const cut: Position = { ...value, next: Math.min(value.next, after), last: undefined };
    for (const [line, record] of this.#records)
      if (record.value.next > after) {
        const behind = { ...record.value, next: after };
        const written = await this.#state.putBehind(this.#app, line, behind, record.revision);
        this.#records.set(line, { value: behind, revision: written });
      }
    this.#position = { value: cut, revision: await this.#state.putPosition(this.#app, cut, revision) };
  }

  /** A place of the conversation is stored, from which on nothing is forgotten. */
  has(line: Line): boolean {
    return this.#records.has(line);
  }

  /** First the conversations that are behind, then the place that leaves them behind. Throws Overtaken. */
  async store(standing: () => Standing): Promise<void> {
    for (const { line, next, failingSince } of [...standing().behind]) {
      const record = this.#records.get(line);
      if (record?.value.next === next) continue;
      const value = { next, failingSince };
      const revision = await this.#state.putBehind(this.#app, line, value, record?.revision ?? 0);
      this.#records.set(line, { value, revision });
    }
    const { next, last, downSince, behind } = standing();
    const had = this.#position.value;
    if (next !== had.next || last?.at !== had.last?.at || downSince !== had.downSince) {
      const value: Position = { since: had.since, stream: had.stream, next, last, ...(downSince ? { downSince } : {}) };
      this.#position = { value, revision: await this.#state.putPosition(this.#app, value, this.#position.revision) };
    }
    const stillBehind = new Set([...behind].map(({ line }) => line));
    for (const line of [...this.#records.keys()]) {
      if (stillBehind.has(line)) continue;
      await this.#state.dropBehind(this.#app, line);
      this.#records.delete(line);
    }
  }
}

/** Where an earlier version wrote no event, the stream has at least to reach as far. */
const mayGoOn = ({ next, last: read }: Position, end: number): boolean => next <= end + 1 || read !== undefined;
