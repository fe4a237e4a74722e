/**
 * Whether the lanes' streams are those that history was made from. A store whose files are gone, or that lost its end, looks like
 * one in which conversations never were: they must not be called unknown, nor made anew. Asked where a lane is found without a
 * record, so a lane that has one costs nothing; and MongoDB is waited for at most once for each connection.
 */
import type { Db } from 'mongodb';
import { type LaneId, revisionOf } from '../../schema/ids.ts';
import { partitionOf } from '../../schema/subjects.ts';
import { Fresh } from '../journal/fresh.ts';
import { type Journal, JournalUnavailable, type Stoppable } from '../journal/journal.ts';
import type { Place } from '../journal/place.ts';
import type { Logger } from '../logger.ts';
import { askMongo } from './ask.ts';
import type { Mongo } from './connect.ts';
import { readGeneration } from './generation.ts';
import { eventId, generationOf, positionId, positionsOf } from './views.ts';

/** How often it is learnt how far history reaches; and compared again while a stream is another one, or was not compared yet. */
const AGAIN_MS = 5_000;

export interface StoreCheckOptions {
  readonly journal: Pick<Journal, 'partitions' | 'whyOther' | 'partitionEnd' | 'onReconnect'>;
  readonly mongo: Mongo;
  readonly log: Logger;
}

interface Lost {
  readonly reason: string;
  /** The stream holds nothing at all: then nothing is accepted in it, whether history knows the lane or not. */
  readonly isEmpty: boolean;
}

export class StoreCheck {
  readonly #options: StoreCheckOptions;
  readonly #partitions: readonly number[];
  readonly #comparisons = new Fresh<number, void>((partition) => this.#compare(partition));
  readonly #asked = new Fresh<'places', void>(() => this.#readPlaces());
  readonly #lost = new Map<number, Lost>();
  readonly #reconnects: Stoppable;
  readonly #timer: NodeJS.Timeout;
  /** How far history reaches, as MongoDB last said. It outlives an outage of MongoDB. */
  #places: readonly Place[] = [];
  #connection = 0;
  /** By partition, the connection on which its stream was compared; and those on which MongoDB was asked, and answered. */
  readonly #compared = new Map<number, number>();
  #askedOn = -1;
  #answeredOn = -1;
  #looking = false;

  constructor(options: StoreCheckOptions) {
    this.#options = options;
    this.#partitions = Array.from({ length: options.journal.partitions }, (_, partition) => partition);
    this.#reconnects = options.journal.onReconnect(() => {
      this.#connection++;
      void this.#look();
    });
    this.#timer = setInterval(() => {
      const isSettled = this.#partitions.every((partition) => this.#compared.get(partition) === this.#connection);
      if (!isSettled || this.#lost.size > 0 || this.#answeredOn !== this.#connection) void this.#look();
      else void this.#learn();
    }, AGAIN_MS).unref();
    void this.#look();
  }

  /** Partitions whose streams are not those that history was made from. */
  get lost(): readonly number[] {
    return [...this.#lost.keys()];
  }

  /** Settles where a lane without a record is one that never was. Throws JournalUnavailable where history says otherwise. */
  async confirmEmpty(id: LaneId): Promise<void> {
    const partition = partitionOf(id, this.#partitions.length);
    if (this.#compared.get(partition) !== this.#connection) {
      if (this.#askedOn !== this.#connection) await this.#learn();
      await this.#comparisons.ask(partition);
    }
    const lost = this.#lost.get(partition);
    if (lost && (lost.isEmpty || (await this.#isInHistory(id))))
      throw new JournalUnavailable(`lane ${id} is not in the store: ${lost.reason}`);
  }

  stop(): void {
    this.#reconnects.stop();
    clearInterval(this.#timer);
  }

  /** One stream after the other: many readers have come back together with the connection. Never rejects. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    await this.#learn();
    for (const partition of this.#partitions)
      await this.#comparisons.ask(partition).catch((error: unknown) => {
        this.#options.log.debug({ err: error, partition }, 'a stream cannot be compared with history now');
      });
    this.#looking = false;
  }

  /** How far history reaches; while MongoDB does not answer, what it said before. Never rejects. */
  #learn(): Promise<void> {
    return this.#asked.ask('places');
  }

  async #readPlaces(): Promise<void> {
    const { mongo, log } = this.#options;
    const connection = this.#connection;
    try {
      this.#places = await askMongo(mongo, log, (db) => readPlaces(db, this.#partitions));
      this.#answeredOn = connection;
    } catch (error) {
      log.debug({ err: error }, 'how far history reaches cannot be learnt now');
    }
    this.#askedOn = connection;
  }

  /** Throws JournalUnavailable. */
  async #compare(partition: number): Promise<void> {
    const { journal, log } = this.#options;
    const connection = this.#connection;
    // Learnt before the stream is asked: what history held then was stored before.
    const place = this.#places[partition];
    const reason = place && place.revision > 0 ? await journal.whyOther(partition, place) : undefined;
    const known = this.#lost.get(partition)?.reason;
    if (reason === undefined) this.#lost.delete(partition);
    else this.#lost.set(partition, { reason, isEmpty: (await journal.partitionEnd(partition)) === 0 });
    this.#compared.set(partition, connection);
    if (reason === undefined && known !== undefined)
      log.info({ partition }, 'the stream is what history was made from');
    if (reason !== undefined && reason !== known)
      log.error(
        { alarm: 'lost store', partition, reason },
        'conversations that history holds are not in the store, and are UNAVAILABLE: docs/operations.md',
      );
  }

  /** Throws JournalUnavailable where it cannot be told. */
  async #isInHistory(id: LaneId): Promise<boolean> {
    try {
      return await askMongo(this.#options.mongo, this.#options.log, async (db) => {
        const name = await readGeneration(db);
        if (name === undefined) return false;
        return (await generationOf(db, name).history.countDocuments({ _id: eventId(id, 1) }, { limit: 1 })) > 0;
      });
    } catch (error) {
      throw new JournalUnavailable(`whether lane ${id} was lost cannot be told now`, { cause: error });
    }
  }
}

async function readPlaces(db: Db, partitions: readonly number[]): Promise<readonly Place[]> {
  const name = await readGeneration(db);
  const ids = partitions.map((partition) => positionId(name ?? '', partition));
  const found = await positionsOf(db)
    .find({ _id: { $in: ids } })
    .toArray();
  const places = new Map(found.map(({ _id, w, rid }) => [_id, { revision: w, id: rid }]));
  return ids.map((id) => places.get(id) ?? { revision: revisionOf(0) });
}
