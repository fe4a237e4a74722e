/** Receipts on a replica set whose primary is lost: whatever was written is there after it, the times of marks, too. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { revisionOf, seqOf } from '../schema/ids.ts';
import { readSettings } from '../services/config.ts';
import { persist } from '../services/persist.ts';
import { Mongo } from '../services/views/connect.ts';
import { type MarkLogDocument, markLogOf, ReceiptStore } from '../services/views/receipts-store.ts';
import { type MongoSet, startMongoSet } from './support/mongo-set.ts';
import { silent } from './support/projecting.ts';
import { laneId, userId } from './support/scribe.ts';
import { until } from './support/until.ts';

const dir = mkdtempSync(join(tmpdir(), 'lanes-receipts-failover-'));
let set: MongoSet;
let mongo: Mongo;
beforeAll(async () => {
  set = await startMongoSet(dir);
  const address = readSettings({ LANES_DATA: dir, LANES_MONGO_URL: set.url }).mongo;
  if (!address) throw new Error('no address');
  mongo = new Mongo(address, silent, { socketTimeoutMs: 30_000, maxPoolSize: 8 });
}, 120_000);
afterAll(async () => {
  await mongo?.close();
  await set?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const entry = (seq: number): MarkLogDocument => ({
  ...{ _id: { l: laneId('c1'), u: userId('bob'), k: 'read', s: seqOf(seq) }, at: 1_000 + seq, rev: revisionOf(seq) },
});

test('a time of a mark that was written is not lost with the primary', async () => {
  const store = new ReceiptStore(() => mongo.db());
  const write = (seq: number) =>
    persist('receipts', () => store.write({ marks: [], log: [entry(seq)] }), {
      signal: new AbortController().signal,
      log: silent,
    });
  await write(1);
  const primary = await until(() => set.primary(), Boolean, 30_000);
  const others = set.nodes.filter((node) => node !== primary);
  for (const node of others) node.freeze();
  let isWritten = false;
  const writing = write(2).then(() => {
    isWritten = true;
  });
  // It has come to the primary, and to nobody else.
  const here = await new MongoClient(set.url.replace(/@[^/]*/, `@${primary?.url.replace('mongodb://', '')}`), {
    directConnection: true,
    readConcern: { level: 'local' },
  }).connect();
  await until(() => markLogOf(here.db()).findOne({ _id: entry(2)._id }), Boolean);
  const wasWritten = isWritten;
  await here.close();
  await primary?.kill9();
  for (const node of others) node.wake();
  await until(
    () => set.primary(),
    (now) => now !== undefined && now !== primary,
    60_000,
  );
  await writing;
  expect(await markLogOf(await mongo.db()).findOne({ _id: entry(2)._id })).toMatchObject({ at: 1_002 });
  expect(wasWritten).toBe(false);
}, 180_000);
