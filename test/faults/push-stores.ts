/** Reads what the stores hold of pushes and marks, past the product. */
import { type Db, MongoClient } from 'mongodb';
import { connect } from 'nats';
import { laneStream, UNDELIVERED_STREAM } from '../../schema/subjects.ts';
import type { TestServers } from '../support/servers.ts';
import type { LedgerDecision, LedgerEntry, Pushing, StoredMark } from './push-trace.ts';
import { PARTITIONS } from './stores.ts';

async function inMongo<T>({ mongo }: TestServers, look: (db: Db) => Promise<T>): Promise<T> {
  const client = await new MongoClient(mongo.url).connect();
  try {
    return await look(client.db());
  } finally {
    await client.close();
  }
}

interface PositionDocument {
  readonly _id: number;
  readonly w: number;
}

/** What there still is to do of pushes; empty: nothing. */
export async function readUnfinished(servers: TestServers): Promise<string> {
  const { url, user, password } = servers.nats;
  const connection = await connect({ servers: url, user, pass: password });
  try {
    const { streams } = await connection.jetstreamManager();
    const ends = await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, p) => (await streams.info(laneStream(p))).state.last_seq),
    );
    const queued = (await streams.info(UNDELIVERED_STREAM)).state.messages;
    return await inMongo(servers, async (db) => {
      const positions = await db.collection<PositionDocument>('notifier_positions').find().toArray();
      const reached = new Map(positions.map(({ _id, w }) => [_id, w]));
      const behind = ends.reduce((sum, end, p) => sum + Math.max(0, end - (reached.get(p) ?? 0)), 0);
      const open = await db.collection('ledger').countDocuments({ due: { $exists: true } });
      const left = { 'records not decided': behind, 'items queued': queued, 'pushes open': open };
      return Object.entries(left)
        .filter(([, count]) => count > 0)
        .map(([what, count]) => `${count} ${what}`)
        .join(', ');
    });
  } finally {
    await connection.close();
  }
}

interface EntryDocument {
  readonly _id: { readonly l: string; readonly s: number; readonly u: string; readonly d: string };
  readonly due?: number;
  readonly why?: string;
  readonly asOf?: number;
  readonly attempts: readonly {
    readonly at: number;
    readonly o: string;
    readonly code?: string;
    readonly asOf: number;
  }[];
}
interface DecisionDocument {
  readonly _id: { readonly l: string; readonly s: number; readonly c: number };
  readonly at: Date;
  readonly push: readonly string[];
}
interface MarkDocument {
  readonly _id: { readonly l: string; readonly u: string; readonly k: StoredMark['kind']; readonly s: number };
  readonly at: number;
  readonly dev?: string;
  readonly rev: number;
}

/** Decisions only where somebody was to be pushed. */
export const readPushStores = (servers: TestServers): Promise<Pick<Pushing, 'entries' | 'decisions' | 'stored'>> =>
  inMongo(servers, async (db) => {
    const entries = await db.collection<EntryDocument>('ledger').find().toArray();
    const decisions = await db
      .collection<DecisionDocument>('push_decisions')
      .find({ 'push.0': { $exists: true } })
      .toArray();
    const stored = await db.collection<MarkDocument>('mark_log').find().toArray();
    return { entries: entries.map(entryOf), decisions: decisions.map(decisionOf), stored: stored.map(markOf) };
  });

const entryOf = ({ _id, due, why, asOf, attempts }: EntryDocument): LedgerEntry => ({
  ...{ lane: _id.l, seq: _id.s, user: _id.u, device: _id.d },
  ...(due === undefined ? {} : { due }),
  ...(why === undefined ? {} : { why }),
  ...(asOf === undefined ? {} : { asOf }),
  attempts: attempts.map(({ o, ...attempt }) => ({ ...attempt, outcome: o })),
});

const decisionOf = ({ _id, at, push }: DecisionDocument): LedgerDecision => ({
  ...{ lane: _id.l, seq: _id.s, asOf: at.getTime(), push },
});

const markOf = ({ _id, at, dev, rev }: MarkDocument): StoredMark => ({
  ...{ lane: _id.l, user: _id.u, kind: _id.k, seq: _id.s, at, revision: rev },
  ...(dev === undefined ? {} : { device: dev }),
});
