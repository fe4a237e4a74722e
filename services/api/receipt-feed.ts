/** The marks of a process: each one to the table of its lane, where somebody follows it, and shown to followers in beats. */
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { Logger } from '../logger.ts';
import type { Devices, Settings } from '../views/devices.ts';
import type { ReceiptBoard } from '../views/receipts.ts';
import type { Unread } from '../views/unread.ts';
import { ReceiptTable, type TableLane } from './receipt-table.ts';

/** Between a mark and its frame at the most, while nothing is in the way: what moves meanwhile is one frame. */
const BEAT_MS = 100;
/** After settings could not be read. */
const AGAIN_MS = 2_000;
/** Users whose settings are asked for together; those of a larger beat in turn. */
const SETTINGS_AT_ONCE = 1_000;

export interface ReceiptFeedOptions {
  readonly board: Pick<ReceiptBoard, 'of' | 'ofUser' | 'listen'>;
  readonly devices: Pick<Devices, 'settings'>;
  readonly unread: Pick<Unread, 'of'>;
  readonly log: Logger;
}

export class ReceiptFeed {
  readonly #options: ReceiptFeedOptions;
  readonly #listening: Stoppable;
  readonly #tables = new Map<LaneId, ReceiptTable>();
  readonly #moved = new Set<ReceiptTable>();
  #timer: NodeJS.Timeout | undefined;
  #isBeating = false;
  #stopped = false;

  constructor(options: ReceiptFeedOptions) {
    this.#options = options;
    this.#listening = options.board.listen((marks) => this.#hear(marks));
  }

  /** Of a lane that is followed now; there is one at a time. */
  open(id: LaneId, lane: TableLane): ReceiptTable {
    const { board, unread, log } = this.#options;
    const table = new ReceiptTable(id, lane, { board, unread, log, settings: (users) => this.#settings(users) });
    this.#tables.set(id, table);
    return table;
  }

  close(table: ReceiptTable): void {
    table.stop();
    this.#moved.delete(table);
    if (this.#tables.get(table.id) === table) this.#tables.delete(table.id);
  }

  stop(): void {
    this.#stopped = true;
    this.#listening.stop();
    clearTimeout(this.#timer);
  }

  #hear(marks: readonly Mark[]): void {
    for (const mark of marks) {
      const table = this.#tables.get(mark.l);
      if (table?.hear(mark)) this.#moved.add(table);
    }
    this.#arm(BEAT_MS);
  }

  #arm(afterMs: number): void {
    if (this.#moved.size === 0 || this.#timer || this.#isBeating || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#isBeating = true;
      void this.#beat().then((afterMs) => {
        this.#isBeating = false;
        this.#arm(afterMs);
      });
    }, afterMs).unref();
  }

  /** When the next one may be. Never rejected. */
  async #beat(): Promise<number> {
    const tables = [...this.#moved];
    this.#moved.clear();
    const users = new Set<UserId>();
    for (const table of tables) for (const user of table.pendingUsers) users.add(user);
    const settings = await this.#settings([...users]);
    for (const table of tables) {
      table.beat(settings);
      if (table.isUnsure && this.#tables.get(table.id) === table) this.#moved.add(table);
    }
    return settings ? BEAT_MS : AGAIN_MS;
  }

  async #settings(users: readonly UserId[]): Promise<ReadonlyMap<UserId, Settings> | undefined> {
    const all = new Map<UserId, Settings>();
    try {
      for (let i = 0; i < users.length; i += SETTINGS_AT_ONCE)
        for (const [user, settings] of await this.#options.devices.settings(users.slice(i, i + SETTINGS_AT_ONCE)))
          all.set(user, settings);
      return all;
    } catch (error) {
      this.#options.log.debug({ err: error }, 'settings could not be read');
      return undefined;
    }
  }
}
