/**
 * Whether a host is asked at all. Closed: it is. After `TROUBLES` troubles in a row it opens: nothing is sent until a time
 * that doubles with each vain try, then one push is let through as a probe, and its fate decides. Wrong credentials open it at
 * the first answer that says so. No clock of its own, no I/O.
 */
import type { Millis } from '../../schema/ids.ts';

/** What a push told about its host. `none`: nothing, it was given up from our side. */
export type Health =
  | { readonly kind: 'fine' | 'none' }
  | { readonly kind: 'trouble'; readonly code: string; readonly pauseMs?: number }
  | { readonly kind: 'credentials'; readonly code: string };

export type Admission =
  | { readonly kind: 'go'; readonly probe: boolean }
  | {
      readonly kind: 'closed-to';
      readonly why: 'trouble' | 'credentials';
      readonly code: string;
      readonly afterMs: number;
    };

/** In a row: one answer in between, whatever it says, and the host is not down. */
const TROUBLES = 5;
const FIRST_OPEN_MS = 1_000;
/** An outage costs at most this much after its end, and each probe is a push offered in vain. */
const LONGEST_OPEN_MS = 15_000;
const CREDENTIALS_OPEN_MS = 30_000;
/** A host may not send us away for longer (`Retry-After`). */
export const LONGEST_PAUSE_MS = 10 * 60_000;
/** While a probe is out, how soon to ask again. */
const PROBING_MS = 1_000;

export class Circuit {
  #troubles = 0;
  /** 0: closed. */
  #openUntil: Millis = 0;
  #openMs = FIRST_OPEN_MS;
  #cause: { why: 'trouble' | 'credentials'; code: string } = { why: 'trouble', code: '' };
  #probing = false;

  get state(): 'closed' | 'trouble' | 'credentials' {
    return this.#openUntil === 0 ? 'closed' : this.#cause.why;
  }

  /** Until the next probe; 0 while it is closed. */
  remainingMs(now: Millis): number {
    return Math.max(0, this.#openUntil - now);
  }

  /** Whether a push may go now. Who gets `go` has to `report`. */
  admit(now: Millis): Admission {
    if (this.#openUntil === 0) return { kind: 'go', probe: false };
    if (now < this.#openUntil || this.#probing)
      return { kind: 'closed-to', ...this.#cause, afterMs: Math.max(this.#openUntil - now, PROBING_MS) };
    this.#probing = true;
    return { kind: 'go', probe: true };
  }

  /**
   * What became of an admitted push. True: the circuit has opened by it. What comes late, of pushes sent before it opened,
   * changes nothing: they failed, or succeeded, together.
   */
  report(probe: boolean, health: Health, now: Millis): boolean {
    if (probe) this.#probing = false;
    else if (this.#openUntil !== 0) return false;
    switch (health.kind) {
      case 'none':
        return false;
      case 'fine':
        this.#troubles = 0;
        this.#openUntil = 0;
        this.#openMs = FIRST_OPEN_MS;
        return false;
      case 'credentials':
        return this.#open('credentials', health.code, CREDENTIALS_OPEN_MS, now);
      case 'trouble': {
        this.#troubles++;
        const pauseMs = Math.min(health.pauseMs ?? 0, LONGEST_PAUSE_MS);
        if (!probe && this.#troubles < TROUBLES && pauseMs === 0) return false;
        const openMs = Math.max(this.#openMs, pauseMs);
        this.#openMs = Math.min(this.#openMs * 2, LONGEST_OPEN_MS);
        return this.#open('trouble', health.code, openMs, now);
      }
      default:
        return health satisfies never;
    }
  }

  #open(why: 'trouble' | 'credentials', code: string, openMs: number, now: Millis): boolean {
    this.#cause = { why, code };
    this.#openUntil = now + openMs;
    return true;
  }
}
