/** Who follows one lane in this process, and whose turn it is. It lives as long as somebody follows. */
import type { LaneId } from '../../schema/ids.ts';
import type { Loaded } from '../journal/lanes.ts';
import { type AnswerBudget, Audience } from './audience.ts';
import type { Turns } from './catch-up.ts';
import { Feed, type FeedOptions } from './feed.ts';
import { Follower } from './follow.ts';
import type { Operation } from './frames.ts';
import type { Viewer } from './gate.ts';
import type { ReceiptFeed } from './receipt-feed.ts';
import type { ReceiptTable } from './receipt-table.ts';
import type { Sink } from './sink.ts';

/** What all hubs of a process share. */
export interface HubOptions extends FeedOptions, Turns {
  readonly answers: AnswerBudget;
  /** A reader that is further behind gets a `Reset`. */
  readonly catchUpMax: number;
  /** Undefined: followers are told of no marks. */
  readonly receipts?: ReceiptFeed | undefined;
}

/** Followers that get their turn before others of the process do. */
const TURNS = 1_024;

export class Hub {
  readonly feed: Feed;
  readonly receipts: ReceiptTable | undefined;
  readonly options: HubOptions;
  readonly #onEmpty: (hub: Hub) => void;
  readonly #followers: Follower[] = [];
  readonly #audiences = new Map<string, Audience>();
  /** Those for whom alone something came. */
  readonly #due: Follower[] = [];
  #running = false;
  /** Something came for all after the round under way began. */
  #news = false;
  #inRound = false;
  /** The place before which followers had no turn in this round. */
  #next = 0;
  #stopped = false;

  constructor(lane: LaneId, options: HubOptions, onEmpty: (hub: Hub) => void) {
    this.options = options;
    this.#onEmpty = onEmpty;
    this.feed = new Feed(lane, options, {
      news: () => this.#wake(),
      busy: () => this.#running,
      rebuilt: (loaded) => this.#rebuilt(loaded),
    });
    const { feed } = this;
    this.receipts = options.receipts?.open(lane, {
      get loaded() {
        return feed.loaded;
      },
      wake: () => this.#wake(),
    });
  }

  join(operation: Operation, viewer: Viewer, sink: Sink): Follower {
    let audience = this.#audiences.get(operation.key);
    if (!audience) {
      const { frames, answers } = this.options;
      audience = new Audience({ operation, frames, ring: this.feed.ring, budget: answers, wake: () => this.#wake() });
      this.#audiences.set(operation.key, audience);
    }
    audience.size++;
    const follower = new Follower(this, audience, viewer, sink);
    follower.place = this.#followers.push(follower) - 1;
    this.receipts?.join(viewer.user);
    this.options.counts.followers++;
    return follower;
  }

  leave(follower: Follower): void {
    const last = this.#followers.pop() as Follower;
    if (last !== follower) {
      this.#followers[follower.place] = last;
      last.place = follower.place;
    }
    this.options.counts.followers--;
    const { audience } = follower;
    this.receipts?.leave(follower.user);
    if (--audience.size === 0) {
      audience.forget();
      this.#audiences.delete(audience.operation.key);
    }
    if (this.#followers.length === 0 && !this.#stopped) this.#onEmpty(this);
  }

  /** Followers that are still here hear nothing more. */
  stop(): void {
    this.#stopped = true;
    for (const follower of [...this.#followers]) follower.stop();
    this.feed.stop();
    if (this.receipts) this.options.receipts?.close(this.receipts);
  }

  /** Something came for this one. */
  ready(follower: Follower): void {
    this.#due.push(follower);
    this.#run();
  }

  #wake(): void {
    this.#news = true;
    this.#run();
  }

  #rebuilt(loaded: Loaded): void {
    for (const audience of this.#audiences.values()) audience.forget();
    for (const follower of [...this.#followers]) follower.rebuilt(loaded);
  }

  /** After what came with this one is there too: several records of one packet are one write. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(this.#giveTurns);
  }

  readonly #giveTurns = (): void => {
    for (let turns = 0; turns < TURNS; turns++) {
      const follower = this.#takeTurn();
      if (!follower) {
        this.#running = false;
        return;
      }
      follower.advance();
    }
    setImmediate(this.#giveTurns);
  };

  /** From the last place to the first: whoever moves to the place of one who leaves has had its turn, or has it yet. */
  #takeTurn(): Follower | undefined {
    const due = this.#due.pop();
    if (due) return due;
    this.#next = Math.min(this.#next, this.#followers.length);
    if (this.#next === 0) {
      // All have had what was there when their round began.
      if (this.#inRound) this.feed.ring.trim();
      this.#inRound = this.#news;
      this.#news = false;
      if (!this.#inRound) return undefined;
      this.#next = this.#followers.length;
    }
    return this.#followers[--this.#next];
  }
}
