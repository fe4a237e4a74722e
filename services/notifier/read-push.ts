/**
 * What was read on one device takes its notification away on the user's others: only on those that had a push for the lane, and
 * only where nothing of it is unread. Best effort: what does not go at once is let go.
 */
import { PUSH_EXPIRES_MS } from '../../schema/delivery.ts';
import type { DeviceId, LaneId, Millis, Seq, UserId } from '../../schema/ids.ts';
import type { Stoppable } from '../journal/journal.ts';
import type { Logger } from '../logger.ts';
import type { DeviceRecord, Devices } from '../views/devices.ts';
import type { Ledger } from '../views/ledger.ts';
import type { NoticeDocument } from '../views/ledger-documents.ts';
import type { ReceiptBoard } from '../views/receipts.ts';
import { type BadgeParts, badgeOf, type Lists, listsOf } from './badges.ts';
import type { NotifierMetrics } from './metrics.ts';
import type { Outlets } from './queue.ts';
import { takeTokenNews } from './token-news.ts';

export interface ReadPushParts extends BadgeParts {
  readonly board: Pick<ReceiptBoard, 'listen'>;
  readonly devices: Pick<Devices, 'of' | 'dropToken' | 'replaceToken' | 'countRefusal' | 'clearRefusals'>;
  readonly ledger: Pick<Ledger, 'openNotices' | 'closeNotice'>;
  readonly outlets: Outlets;
  readonly metrics: Pick<NotifierMetrics, 'cleared'>;
  /** Whether this process answers for the lane: of several notifiers one is enough. */
  readonly isMine: (lane: LaneId) => boolean;
  readonly clock: () => Millis;
  readonly log: Logger;
}

interface Read {
  readonly user: UserId;
  readonly lane: LaneId;
  readonly upTo: Seq;
  /** That has seen it. */
  readonly device: DeviceId | undefined;
}

const GATHER_MS = 100;
const AT_ONCE = 200;
/** Reads that wait; past it new ones are let go. */
const WAITING_MAX = 10_000;

export class ReadPushes {
  readonly #parts: ReadPushParts;
  readonly #listening: Stoppable;
  readonly #stopping = new AbortController();
  readonly #waiting = new Map<string, Read>();
  #working: Promise<void> | undefined;

  constructor(parts: ReadPushParts) {
    this.#parts = parts;
    this.#listening = parts.board.listen((marks) => {
      for (const { u, l, s, k, d } of marks) if (k === 'read') this.note(u, l, s, d);
    });
  }

  /** The user has read the lane up to there. */
  note(user: UserId, lane: LaneId, upTo: Seq, device?: DeviceId): void {
    if (!this.#parts.isMine(lane) || this.#stopping.signal.aborted) return;
    const key = `${user} ${lane}`;
    const known = this.#waiting.get(key);
    if (known ? known.upTo >= upTo : this.#waiting.size >= WAITING_MAX) return;
    this.#waiting.set(key, { user, lane, upTo, device });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#listening.stop();
    this.#stopping.abort();
    this.#waiting.clear();
    await this.#working;
  }

  async #work(): Promise<void> {
    await new Promise((resume) => setTimeout(resume, GATHER_MS));
    while (this.#waiting.size > 0) {
      const some = [...this.#waiting].slice(0, AT_ONCE);
      for (const [key] of some) this.#waiting.delete(key);
      try {
        await this.#clear(some.map(([, read]) => read));
      } catch (error) {
        this.#parts.log.debug({ err: error }, 'notifications are not taken away');
      }
    }
  }

  async #clear(reads: readonly Read[]): Promise<void> {
    const { ledger, devices } = this.#parts;
    const notices = await ledger.openNotices(reads);
    if (notices.length === 0) return;
    const by = new Map(reads.map((read) => [`${read.user} ${read.lane}`, read]));
    const users = [...new Set(notices.map(({ _id }) => _id.u))];
    const [owned, lists] = await Promise.all([devices.of(users), listsOf(this.#parts, users)]);
    for (const notice of notices) {
      const { u, l, d } = notice._id;
      const read = by.get(`${u} ${l}`);
      const device = owned.get(u)?.find((one) => one.device === d);
      // Whoever closes it is the one who tells the device.
      if (!read || !(await ledger.closeNotice(notice)) || !device || d === read.device) continue;
      await this.#tell(notice, read, device, lists);
    }
  }

  async #tell({ _id: { u, l, d } }: NoticeDocument, read: Read, told: DeviceRecord, lists: Lists): Promise<void> {
    const { outlets, metrics, clock } = this.#parts;
    const { push, tokenHash, refusals = 0 } = told;
    if (!push || tokenHash === undefined) return;
    const { badge } = await badgeOf(this.#parts, lists, u);
    const expiresAt = clock() + PUSH_EXPIRES_MS;
    const message = { kind: 'read', conversationId: l, readSeq: read.upTo, badge, expiresAt } as const;
    await outlets.send(push, message, this.#stopping.signal, (result) => {
      metrics.cleared(result.kind);
      void takeTokenNews(this.#parts, { user: u, device: d, tokenHash, refusals }, result);
    });
  }
}
