/**
 * Lanes' snapshots: the state as compressed JSON, in one message, or in a head and parts where it is large. A snapshot is a
 * cache: whatever is odd about one, it is not there.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw, inflateRaw } from 'node:zlib';
import type { LaneId } from '../../schema/ids.ts';
import { type Revision, revisionOf } from '../../schema/ids.ts';
import { partitionOf, SNAPSHOT_STREAM, snapshotPartSubject, snapshotSubject } from '../../schema/subjects.ts';
import { type LaneSnapshot, SNAPSHOT_VERSION } from '../lane/snapshot.ts';
import type { Questions } from './ask.ts';
import type { StoredSnapshot } from './journal.ts';
import { type Answer, expectedHeader, jsonOf, numberOf } from './message.ts';

const PART_BYTES = 512 * 1024;
/** Larger states are not stored: the lane is then folded from its first record. */
const PARTS_MAX = 64;
/** What an inflated state may take. */
const STATE_BYTES_MAX = 64 * 1024 * 1024;
const NEWLINE = 10;

/** The line before the bytes of each message. `hash` is of all the bytes together and names the parts that belong together. */
interface Head {
  readonly v: typeof SNAPSHOT_VERSION;
  readonly revision: number;
  readonly recordId: string;
  readonly hash: string;
  /** Parts beside the head. */
  readonly parts: number;
}

const deflate = promisify<Uint8Array, { level: number }, Buffer>(deflateRaw);
const inflate = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflateRaw);
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64url');

export class Snapshots {
  readonly #questions: Questions;
  readonly #partitions: number;

  constructor(questions: Questions, partitions: number) {
    this.#questions = questions;
    this.#partitions = partitions;
  }

  async read(lane: LaneId): Promise<StoredSnapshot | undefined> {
    const head = await this.#get(lane);
    return head && this.#open(lane, head);
  }

  /** The parts first: until the head is there they mean nothing. */
  async write(lane: LaneId, { revision, recordId, state }: StoredSnapshot): Promise<boolean> {
    try {
      const there = await this.#get(lane);
      if (there && (there.head.revision ?? 0) >= revision && (await this.#open(lane, there))) return false;
      const bytes = await deflate(Buffer.from(JSON.stringify(state)), { level: 1 });
      const parts = Math.max(0, Math.ceil(bytes.length / PART_BYTES) - 1);
      if (parts > PARTS_MAX) return false;
      const hash = hashOf(bytes);
      const partition = partitionOf(lane, this.#partitions);
      for (let part = 1; part <= parts; part++) {
        const payload = joined({ hash }, bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
        if (!isStored(await this.#questions.publish(snapshotPartSubject(partition, lane, part), payload))) return false;
      }
      const head: Head = { v: SNAPSHOT_VERSION, revision, recordId, hash, parts };
      const subject = snapshotSubject(partition, lane);
      const expected = expectedHeader(there?.sequence ?? 0);
      return isStored(await this.#questions.publish(subject, joined(head, bytes.subarray(0, PART_BYTES)), expected));
    } catch {
      return false;
    }
  }

  async #get(lane: LaneId): Promise<{ sequence: Revision; head: Partial<Head>; bytes: Uint8Array } | undefined> {
    const subject = snapshotSubject(partitionOf(lane, this.#partitions), lane);
    const answer = await this.#questions.direct(`${SNAPSHOT_STREAM}.${subject}`);
    return answer && { sequence: revisionOf(numberOf(answer.head, 'Nats-Sequence')), ...split(answer) };
  }

  async #open(
    lane: LaneId,
    { head, bytes }: { readonly head: Partial<Head>; readonly bytes: Uint8Array },
  ): Promise<StoredSnapshot | undefined> {
    const { v, revision, recordId = '', hash, parts = 0 } = head;
    if (v !== SNAPSHOT_VERSION || !revision || !(parts >= 0 && parts <= PARTS_MAX)) return undefined;
    const others = await Promise.all(Array.from({ length: parts }, (_, i) => this.#part(lane, i + 1, hash)));
    if (others.includes(undefined)) return undefined;
    const whole = Buffer.concat([bytes, ...(others as Uint8Array[])]);
    if (hashOf(whole) !== hash) return undefined;
    try {
      const state = JSON.parse((await inflate(whole, { maxOutputLength: STATE_BYTES_MAX })).toString()) as LaneSnapshot;
      if (state.v !== SNAPSHOT_VERSION || state.id !== lane) return undefined;
      return { revision: revisionOf(revision), recordId, state };
    } catch {
      return undefined;
    }
  }

  async #part(lane: LaneId, part: number, hash: string | undefined): Promise<Uint8Array | undefined> {
    const subject = snapshotPartSubject(partitionOf(lane, this.#partitions), lane, part);
    const answer = await this.#questions.direct(`${SNAPSHOT_STREAM}.${subject}`);
    if (!answer) return undefined;
    const { head, bytes } = split(answer);
    return head.hash === hash ? bytes : undefined;
  }
}

const joined = (head: object, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]);

function split({ data }: Answer): { head: Partial<Head>; bytes: Uint8Array } {
  const end = data.indexOf(NEWLINE);
  try {
    return { head: jsonOf(data.subarray(0, end)) as Partial<Head>, bytes: data.subarray(end + 1) };
  } catch {
    return { head: {}, bytes: data };
  }
}

const isStored = (answer: Answer | undefined): boolean =>
  answer !== undefined && !('error' in (jsonOf(answer.data) as object));
