/**
 * The answers for frames of inboxes, executed once for all who asked alike: those who are live when it comes, and those who catch
 * up a little later, as many do at once after a restart.
 */
import type { UserId } from '../../schema/ids.ts';
import type { Frames, Operation } from './frames.ts';
import type { Part } from './sink.ts';
import type { EventFrame } from './sources.ts';

/** Of the answers that are kept; the oldest go first. */
const KEPT_BYTES = 16 * 1024 * 1024;
/** What a kept answer takes beside its bytes, about. */
const OVERHEAD_BYTES = 300;

export class InboxAnswers {
  readonly #frames: Frames;
  readonly #kept = new Map<string, Part | Promise<Part>>();
  #bytes = 0;

  constructor(frames: Frames) {
    this.#frames = frames;
  }

  /** At once, or a promise that is never rejected. Undefined: this version cannot show such an event. */
  of(operation: Operation, frame: EventFrame, payer?: UserId): Part | Promise<Part> | undefined {
    if (!this.#frames.shows(frame.__typename)) return undefined;
    const name = `${frame.lane} ${frame.seq} ${operation.key}`;
    const known = this.#kept.get(name);
    if (known) return known;
    const answer = this.#frames.execute(operation, frame, payer);
    if (!(answer instanceof Promise)) return this.#keep(name, answer);
    this.#kept.set(name, answer);
    return answer.then((part) => {
      if (this.#kept.get(name) === answer) {
        this.#kept.delete(name);
        this.#keep(name, part);
      }
      return part;
    });
  }

  /** Places mean something else now. */
  forget(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #keep(name: string, part: Part): Part {
    this.#kept.set(name, part);
    this.#bytes += part.utf8.byteLength + OVERHEAD_BYTES;
    for (const [oldest, kept] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES) break;
      if (kept instanceof Promise) continue;
      this.#kept.delete(oldest);
      this.#bytes -= kept.utf8.byteLength + OVERHEAD_BYTES;
    }
    return part;
  }
}

/** Readers that asked alike hold the same operation, not one each. */
export class SharedOperations {
  readonly #held = new Map<string, { readonly operation: Operation; readers: number }>();

  take(operation: Operation): Operation {
    const held = this.#held.get(operation.key);
    if (held) held.readers++;
    else this.#held.set(operation.key, { operation, readers: 1 });
    return held?.operation ?? operation;
  }

  leave({ key }: Operation): void {
    const held = this.#held.get(key);
    if (held && --held.readers === 0) this.#held.delete(key);
  }
}
