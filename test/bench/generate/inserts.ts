/** The limit under the projector: the driver's `insertMany` of 500 documents, with the same indexes and write concern. */
import { type Document, MongoClient } from 'mongodb';
import { type CpuUse, cpuBetween, type Pids, readCpu } from '../cpu.ts';
import { serve } from './serve.ts';

export interface Inserts {
  readonly open: { readonly url: string };
  readonly opened: undefined;
  /** The newest `count` documents of `like` are copied, as are its indexes. `atOnce`: batches in flight. */
  readonly run: { readonly like: string; readonly count: number; readonly atOnce: number; readonly pids: Pids };
  readonly result: { readonly rows: number; readonly perSecond: number; readonly cpu: CpuUse };
}

const BATCH = 500;
const TARGET = 'bench_limit';

let client: MongoClient | undefined;

serve<Inserts>({
  open: async ({ url }) => {
    client = await new MongoClient(url).connect();
    return undefined;
  },
  run: async ({ like, count, atOnce, pids }) => {
    const db = (client as MongoClient).db();
    const source = db.collection(like);
    const documents = await source.find().sort({ $natural: -1 }).limit(count).toArray();
    await db.dropCollection(TARGET).catch(() => undefined);
    const target = db.collection(TARGET);
    for (const { key, v: _version, ns: _ns, ...options } of await source.indexes())
      if (options.name !== '_id_') await target.createIndex(key, options);
    const batches: Document[][] = [];
    for (let i = 0; i < documents.length; i += BATCH) batches.push(documents.slice(i, i + BATCH));
    const every = { ...pids, generator: process.pid };
    const from = readCpu(every);
    const worker = async () => {
      for (let batch = batches.pop(); batch !== undefined; batch = batches.pop())
        await target.insertMany(batch, { ordered: false, writeConcern: { w: 'majority', journal: true } });
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    const cpu = cpuBetween(from, readCpu(every));
    await db.dropCollection(TARGET);
    return { rows: documents.length, perSecond: documents.length / cpu.seconds, cpu };
  },
  close: async () => client?.close(),
});
