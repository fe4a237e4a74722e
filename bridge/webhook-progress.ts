/** How far one integration's webhook has come, as the store has it. */
import type { AppId, Millis } from '../schema/ids.ts';
import type { Line, WebhookSource } from './webhook-source.ts';
import type { Behind, Position, Stored, WebhookState } from './webhook-state.ts';

export interface Loaded {
  readonly next: number;
  readonly downSince: Millis | undefined;
  readonly behind: ReadonlyMap<Line, Behind>;
}
export interface Standing {
  readonly next: number;
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

  /** Of the webhook since then; a new one, or one whose stream is another now, begins at that time. Throws Overtaken. */
  async load(since: Millis): Promise<Loaded> {
    const { created, last } = await this.#source.stream();
    const stored = await this.#state.position(this.#app);
    this.#records.clear();
    if (stored?.value.since === since && stored.value.stream === created && stored.value.next <= last + 1) {
      this.#position = stored;
      for (const [line, record] of await this.#state.behind(this.#app)) this.#records.set(line, record);
    } else {
      await this.#state.dropAllBehind(this.#app);
      const value: Position = { since, stream: created, next: await this.#source.placeAt(since, last) };
      const revision = await this.#state.putPosition(this.#app, value, stored?.revision ?? 0);
      this.#position = { value, revision };
    }
    const { next, downSince } = this.#position.value;
    const behind = new Map([...this.#records].map(([line, { value }]) => [line, value]));
    return { next, downSince, behind };
  }

  /** False: it is another stream of that name, which has not what we have read. */
  async isSameStream(next: number): Promise<boolean> {
    const { created, last } = await this.#source.stream();
    return created === this.#position.value.stream && next <= last + 1;
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
    const { next, downSince, behind } = standing();
    const had = this.#position.value;
    if (next !== had.next || downSince !== had.downSince) {
      const value: Position = { since: had.since, stream: had.stream, next, ...(downSince ? { downSince } : {}) };
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
