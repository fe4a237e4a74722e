/**
 * Receipts on their way into MongoDB, of all partitions of one process: what comes while one round is written goes into the
 * next, folded, so that many marks of one member cost one update. Rounds begin some time apart: whoever reads receipts holds
 * what is not written yet.
 */
import type { DeviceId, LaneId, Revision, Seq, UserId } from '../../schema/ids.ts';
import type { Mark } from '../../schema/receipts.ts';
import type { StoredReceipts } from '../journal/receipts.ts';
import type { Logger } from '../logger.ts';
import { Abandoned, pause, persist } from '../persist.ts';
import type {
  DeviceMark,
  FoldedMarks,
  MarkLogDocument,
  MarksDocument,
  ReceiptPosition,
  ReceiptStore,
} from '../views/receipts-store.ts';

/** Between the beginnings of two rounds, unless the next one is full: a mark in a large round costs a third. */
const ROUND_MS = 500;
/** In one round. */
const ROUND_MARKS = 10_000;
/** Waiting, of all partitions; past it the partitions wait. */
const WAITING_MARKS = 40_000;
/** Members of lanes whose maxima are remembered, of each partition. */
const KNOWN_MAX = 5_000;

export interface ReceiptsProjected {
  /** A round is in MongoDB: marks that came, and the documents that they became. */
  written(marks: number, documents: number): void;
  /** A record that cannot be read was passed over. */
  unreadable(partition: number): void;
  /** Undefined: it goes on. */
  halted(partition: number, reason: string | undefined): void;
}

export interface ReceiptsSessionOptions {
  readonly log: Logger;
  readonly observe: ReceiptsProjected;
  readonly roundMs?: number;
}

interface Waiting {
  readonly run: PartitionRun;
  readonly records: readonly StoredReceipts[];
  readonly marks: number;
  done(): void;
  failed(error: unknown): void;
}

/** What one run over a partition knows: how far its members were after the records that it has brought. */
export class PartitionRun {
  readonly partition: number;
  /** Some of its records were not written: none behind them may be. */
  isBroken = false;
  /** The longest unused first. */
  readonly #known = new Map<string, MarksDocument>();

  constructor(partition: number) {
    this.partition = partition;
  }

  get(lane: LaneId, user: UserId): MarksDocument | undefined {
    return this.#known.get(`${lane} ${user}`);
  }

  set(document: MarksDocument): void {
    const name = `${document._id.l} ${document._id.u}`;
    this.#known.delete(name);
    this.#known.set(name, document);
  }

  forgetSome(): void {
    for (const name of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) return;
      this.#known.delete(name);
    }
  }
}

export class ReceiptsSession {
  readonly store: ReceiptStore;
  readonly log: Logger;
  readonly observe: ReceiptsProjected;
  /** Aborts what is tried again and again. */
  readonly signal: AbortSignal;
  readonly #roundMs: number;
  readonly #abort = new AbortController();
  #waiting: Waiting[] = [];
  #waitingMarks = 0;
  #isRunning = false;
  readonly #atDoor: (() => void)[] = [];

  constructor(store: ReceiptStore, { log, observe, roundMs = ROUND_MS }: ReceiptsSessionOptions) {
    this.store = store;
    this.log = log;
    this.observe = observe;
    this.#roundMs = roundMs;
    this.signal = this.#abort.signal;
  }

  persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    return persist(what, work, this);
  }

  /** Settles when there is room; `done` when the records are in MongoDB, with their position. Records of a run come in order. */
  async write(run: PartitionRun, records: readonly StoredReceipts[]): Promise<{ readonly done: Promise<void> }> {
    while (this.#waitingMarks > WAITING_MARKS) await new Promise<void>((enter) => this.#atDoor.push(enter));
    const marks = records.reduce((sum, record) => sum + record.marks.length, 0);
    this.#waitingMarks += marks;
    const done = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ run, records, marks, done: resolve, failed: reject });
    });
    done.catch(() => undefined);
    if (!this.#isRunning) void this.#run();
    return { done };
  }

  /** Gives up what is not written: it is done again from the positions. */
  stop(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let round = this.#next(); round.length > 0; round = this.#next()) {
      const begun = performance.now();
      try {
        await this.#write(round);
        for (const { done } of round) done();
      } catch (error) {
        if (!(error instanceof Abandoned)) this.log.error({ err: error }, 'receipts not written');
        for (const { run, failed } of round) {
          run.isBroken = true;
          failed(error);
        }
      }
      for (const { marks } of round) this.#waitingMarks -= marks;
      for (const enter of this.#atDoor.splice(0)) enter();
      if (this.#waitingMarks < ROUND_MARKS) await pause(this.#roundMs - (performance.now() - begun), this.signal);
    }
    this.#isRunning = false;
  }

  #next(): Waiting[] {
    for (const { run, marks, failed } of this.#waiting)
      if (run.isBroken) {
        this.#waitingMarks -= marks;
        failed(new Abandoned('receipts'));
      }
    this.#waiting = this.#waiting.filter(({ run }) => !run.isBroken);
    let marks = 0;
    const end = this.#waiting.findIndex((one, i) => {
      marks += one.marks;
      return i > 0 && marks > ROUND_MARKS;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  async #write(round: readonly Waiting[]): Promise<void> {
    await this.persist('maxima of receipts', () => this.#learn(round));
    const folded = foldRound(round);
    await this.persist('receipts', () => this.store.write(folded));
    const positions = new Map<number, ReceiptPosition>();
    for (const { run, records } of round) {
      const last = records.at(-1);
      if (last) positions.set(run.partition, { _id: run.partition, w: last.revision, rid: last.id, at: last.storedAt });
    }
    await this.persist('positions of receipts', () => this.store.advance([...positions.values()]));
    for (const { run } of round) run.forgetSome();
    const marks = round.reduce((sum, one) => sum + one.marks, 0);
    this.observe.written(marks, folded.marks.length + folded.log.length);
  }

  /** How far those are in MongoDB whom the runs do not know. */
  async #learn(round: readonly Waiting[]): Promise<void> {
    const unknown = new Map<string, { readonly run: PartitionRun; readonly _id: MarksDocument['_id'] }>();
    for (const { run, records } of round)
      for (const { marks } of records)
        for (const { l, u } of marks) if (!run.get(l, u)) unknown.set(`${l} ${u}`, { run, _id: { l, u } });
    if (unknown.size === 0) return;
    const found = await this.store.maxima([...unknown.values()].map(({ _id }) => _id));
    for (const { run, _id } of unknown.values()) run.set({ _id });
    for (const document of found) unknown.get(`${document._id.l} ${document._id.u}`)?.run.set(document);
  }
}

/**
 * The marks of a round in the order of their logs. What a run knows of a member is at least what all records before had
 * raised, so nothing late is ever taken for a raise; and whoever had raised it further has written when.
 */
function foldRound(round: readonly Waiting[]): FoldedMarks {
  const marks = new Map<string, MarksDocument>();
  const log: MarkLogDocument[] = [];
  for (const { run, records } of round)
    for (const { revision, marks: some } of records)
      for (const mark of some) {
        const { u, l, d, k } = mark;
        const name = `${l} ${u}`;
        const raises = raisesOf(run.get(l, u), mark, revision);
        if (raises.length > 0) {
          const raised = raisedBy(mark, run.get(l, u));
          run.set(raised);
          log.push(...raises);
          const { dev } = marks.get(name) ?? {};
          marks.set(name, dev ? { ...raised, dev } : raised);
        }
        if (d === undefined || k !== 'delivered') continue;
        const had = marks.get(name) ?? { _id: { l, u } };
        marks.set(name, { ...had, dev: withDevice(had.dev, d, mark) });
      }
  return { marks: [...marks.values()], log };
}

const raisedBy = ({ u, l, k, s }: Mark, had: MarksDocument | undefined): MarksDocument => ({
  _id: { l, u },
  d: higher(s, had?.d),
  ...(k === 'read' ? { r: higher(s, had?.r) } : had?.r === undefined ? {} : { r: had.r }),
});

/** Without a prototype, so that every id is only a name. */
function withDevice(dev: MarksDocument['dev'], device: DeviceId, { s, at }: Mark): Record<DeviceId, DeviceMark> {
  const next: Record<DeviceId, DeviceMark> = Object.assign(Object.create(null), dev);
  const had = next[device];
  next[device] = { s: higher(s, had?.s), at: Math.max(at, had?.at ?? 0) };
  return next;
}

const higher = (a: Seq, b: Seq | undefined): Seq => (b !== undefined && b > a ? b : a);

/** What a mark raises, each kind by itself; reading implies delivered. */
function raisesOf(had: MarksDocument | undefined, { u, l, d, k, s, at }: Mark, rev: Revision): MarkLogDocument[] {
  const documentOf = (kind: Mark['k']): MarkLogDocument => ({
    _id: { l, u, k: kind, s },
    at,
    ...(d === undefined ? {} : { dev: d satisfies DeviceId }),
    rev,
  });
  return [
    ...(s > (had?.d ?? 0) ? [documentOf('delivered')] : []),
    ...(k === 'read' && s > (had?.r ?? 0) ? [documentOf('read')] : []),
  ];
}
