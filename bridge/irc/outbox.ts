/**
 * What a client says in one conversation, on its way into the lane: one after the other, each with a key of its own, and
 * repeated with it until it is certain what became of it, or its time is over. Then its sender is told.
 */
import { randomBytes } from 'node:crypto';
import type { ClientKey, LaneId, Millis } from '../../schema/ids.ts';
import type { Answer, Api } from './api.ts';
import { SEND, sendShape } from './documents.ts';

export interface Send {
  readonly key: ClientKey;
  readonly text: string;
  /** What the client calls the command (labeled-response). */
  readonly label: string | undefined;
}
/** Why a message is not accepted. `unknown`: it may be, and comes up later. */
export interface Lost {
  readonly code: string;
  readonly message: string;
  readonly unknown: boolean;
}
export interface OutboxParts {
  readonly api: Pick<Api, 'ask'>;
  readonly lane: LaneId;
  /** For how long one is tried, from when it was said. */
  readonly withinMs: Millis;
  /** What became of it is certain, or its time is over. `lost` undefined: it is accepted. */
  onSettled(send: Send, lost: Lost | undefined): void;
}

/** Said, and not come back by the stream yet. */
const MAX_SENDS = 256;
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 4_000;

interface Waiting extends Send {
  readonly until: Millis;
  /** The stream has brought it. */
  readonly arrived: AbortController;
}

export class Outbox {
  readonly #parts: OutboxParts;
  /** By key, in the order of saying; those that are accepted stay until the stream has brought them. */
  readonly #sends = new Map<ClientKey, Waiting>();
  readonly #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #latest = Number.POSITIVE_INFINITY;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** False: as many are on their way as may be. */
  put(text: string, label: string | undefined): boolean {
    if (this.#sends.size >= MAX_SENDS) return false;
    const key = newKey(Date.now());
    const send = { key, text, label, until: Date.now() + this.#parts.withinMs, arrived: new AbortController() };
    this.#sends.set(key, send);
    this.#queue.push(send);
    this.#running ??= this.#run();
    return true;
  }

  /** The stream brings a message with this key: what was said here, once. */
  arrived(key: ClientKey | undefined): Send | undefined {
    const send = key && this.#sends.get(key);
    if (!send) return undefined;
    this.#sends.delete(send.key);
    send.arrived.abort();
    return send;
  }

  /** Settles when it is certain of each what became of it, or its time is over. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Nothing is tried for longer than so. */
  hurry(withinMs: Millis): void {
    this.#latest = Date.now() + withinMs;
  }

  async #run(): Promise<void> {
    for (let send = this.#queue.shift(); send; send = this.#queue.shift()) {
      const lost = await this.#send(send);
      // Should it come up after all, it is shown like anything else.
      if (lost) this.#sends.delete(send.key);
      this.#parts.onSettled(send, lost);
    }
    this.#running = undefined;
  }

  /** Undefined: accepted. What the stream has brought is, whatever the last answer was. */
  async #send(send: Waiting): Promise<Lost | undefined> {
    let unknown = false;
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
      const outcome = await this.#try(send);
      if (outcome === undefined || send.arrived.signal.aborted) return undefined;
      unknown ||= outcome.unknown;
      const pause = Math.max(outcome.retryAfterMs ?? 0, wait * (0.5 + Math.random() / 2));
      if (!outcome.retryable || Date.now() + pause > Math.min(send.until, this.#latest)) return { ...outcome, unknown };
      await sleep(pause, send.arrived.signal);
      if (send.arrived.signal.aborted) return undefined;
    }
  }

  async #try({ key, text }: Waiting) {
    const input = { conversationId: this.#parts.lane, clientKey: key, text };
    return refusalOf(await this.#parts.api.ask(SEND, { input }, sendShape));
  }
}

/** After these nobody knows whether it was done. */
const UNKNOWN = ['OUTCOME_UNKNOWN', 'NO_ANSWER', 'NOT_UNDERSTOOD', 'INTERNAL_SERVER_ERROR'];

function refusalOf(answer: Answer<ReturnType<typeof sendShape.parse>>) {
  if (answer.kind === 'trouble') return { ...answer, unknown: UNKNOWN.includes(answer.code) };
  const { accepted, refused } = answer.data.sendMessage;
  if (accepted || !refused) return undefined;
  return { ...refused, retryAfterMs: refused.retryAfterMs ?? undefined, unknown: false };
}

/** A UUIDv7 (RFC 9562 section 5.7). */
function newKey(now: Millis): ClientKey {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8);
  return bytes.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5') as ClientKey;
}

/** Sooner, where the signal comes. */
function sleep(ms: Millis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
