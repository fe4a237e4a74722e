/** The bridge as a process of its own: third parties on NATS, MQTT and webhooks, with the same deciding as the api's. */
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import { type Config, ConfigError } from '../services/config.ts';
import { readTrust } from '../services/foreign-hosts.ts';
import { Halts } from '../services/halt-metrics.ts';
import { clockFigure, lostStoreFigure } from '../services/journal/figures.ts';
import { openIntegrations } from '../services/journal/integrations-jetstream.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { type Link, openLink } from '../services/journal/link.ts';
import { openJetStreamReceipts } from '../services/journal/receipts-jetstream.ts';
import type { Logger } from '../services/logger.ts';
import { adminPortOf, createRegistry, startAdmin } from '../services/metrics.ts';
import { packageFile } from '../services/package-files.ts';
import type { Running } from '../services/run.ts';
import { Mongo } from '../services/views/connect.ts';
import { openHistory } from '../services/views/history.ts';
import { openReads } from '../services/views/reads.ts';
import { StoreCheck } from '../services/views/store-check.ts';
import { openCallout } from './callout.ts';
import { doorMetricsOf } from './door-metrics.ts';
import { Floods } from './floods.ts';
import { keepHeapSmall } from './heap.ts';
import { openCommands } from './open-commands.ts';
import { openPump } from './pump.ts';
import { openService } from './service.ts';
import { openWebhooksIn } from './webhooks-in.ts';
import { openWebhooksOut, type WebhooksOutParts } from './webhooks-out.ts';

/** Folded lanes kept, in entries of about 150 bytes: some 75 MB. */
const LANES_WEIGHT = 500_000;
const MONGO_ANSWER_MS = 5_000;
const MONGO_POOL = 16;
/** Of 64 MiB each, before the server cuts it off. */
const COMMAND_LINKS = 4;

export interface Testing {
  readonly webhooks?: WebhooksOutParts['testing'];
}
/** What is open, in the order in which it was opened. */
type Closing = (() => Promise<unknown>)[];

/**
 * Settles when integrations may come in, whether MongoDB answers or not, however long NATS takes (`stopping` ends that). Rejects
 * with a ConfigError for what waiting does not mend. `stop` answers what is under way.
 */
export async function start(
  config: Config,
  log: Logger,
  stopping: AbortSignal = new AbortController().signal,
  testing: Testing = {},
): Promise<Running> {
  keepHeapSmall();
  const registry = createRegistry('bridge');
  const halts = new Halts(registry);
  const closing: Closing = [];
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const admin = await startAdmin({ host: config.adminHost, port: adminPortOf(config, 'bridge'), registry, halts });
    closing.push(() => admin.stop());
    const stores = await openStores(config, log, stopping, closing);
    halts.also(stores.journal.clock);
    clockFigure([registry], stores.journal.clock);
    await openDoors({ config, log, stopping, registry, halts, closing, testing }, stores);
    return { stop: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openStores(config: Config, log: Logger, signal: AbortSignal, closing: Closing) {
  const { nats, natsBridge, partitions, storeBytes: maxBytes } = config;
  if (natsBridge === null)
    throw new ConfigError('LANES_NATS_BRIDGE_USER and LANES_NATS_BRIDGE_PASSWORD are not set: docs/bridge.md');
  const options = { ...nats, partitions, log, signal };
  const journal = await openJetStreamJournal({ ...options, maxBytes, name: 'bridge' });
  closing.push(() => journal.close());
  const receipts = await openJetStreamReceipts({ ...options, name: 'bridge receipts' });
  closing.push(() => receipts.close());
  const integrations = await openIntegrations({ ...options, name: 'bridge integrations' });
  closing.push(() => integrations.close());
  // Whoever answers foreign subjects has no way into a lane: it is another user, in another account.
  const link = await openLink({ ...natsBridge, log, signal, name: 'bridge apps' });
  closing.push(() => link.close());
  // Nothing that is sent in, events or questions, is in the way of a command.
  const openOne = async (): Promise<Link> => {
    const one = await openLink({ ...natsBridge, log, signal, name: 'bridge commands' });
    closing.push(() => one.close());
    return one;
  };
  const commandLinks = [
    await openOne(),
    ...(await Promise.all(Array.from({ length: COMMAND_LINKS - 1 }, openOne))),
  ] as const;
  const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: MONGO_ANSWER_MS, maxPoolSize: MONGO_POOL });
  const history = openHistory(config, log);
  closing.push(() => Promise.all([mongo.close(), history.close()]));
  const check = new StoreCheck({ journal, mongo, log });
  closing.push(async () => check.stop());
  const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log, confirmEmpty: (id) => check.confirmEmpty(id) });
  const reads = openReads(history, journal);
  return { check, journal, receipts, integrations, link, commandLinks, mongo, history, lanes, reads };
}
type Stores = Awaited<ReturnType<typeof openStores>>;

interface Opening {
  readonly config: Config;
  readonly log: Logger;
  readonly stopping: AbortSignal;
  readonly registry: Registry;
  readonly halts: Halts;
  readonly closing: Closing;
  readonly testing: Testing;
}

/** Events are on their way before anybody is let in, and who is let in finds whoever answers. */
async function openDoors(opening: Opening, stores: Stores): Promise<void> {
  const { config, log, stopping, registry, halts, closing, testing } = opening;
  const { integrations, link, commandLinks: links } = stores;
  const keep = <T extends { stop(): Promise<unknown> }>(part: T): T => {
    closing.push(() => part.stop());
    return part;
  };
  lostStoreFigure([registry], () => stores.check.lost);
  const { appStreams, storeBytes } = config;
  const clock = stores.journal.clock.now;
  const pump = keep(
    await openPump({ ...stores, appStreams, storeBytes, registry, onHalt: halts.of('bridge'), clock, log }, stopping),
  );
  const replay = pump.replay.bind(pump);
  const { commands, observer } = keep(openCommands({ ...stores, config, replay, registry, clock, log }));
  const floods = new Floods(log);
  const version = versionOfPackage();
  keep(await openService({ links, discovery: link, commands, floods, version, log, observer }));
  const { host, bridgePort: port, webhookCaFile } = config;
  const trust = webhookCaFile === null ? undefined : readTrust('LANES_WEBHOOK_CA_FILE', webhookCaFile);
  keep(
    await openWebhooksOut({ integrations, link, storeBytes, registry, clock, log, trust, ...given(testing) }, stopping),
  );
  keep(await openWebhooksIn({ host, port, integrations, commands, registry, log }));
  const metrics = doorMetricsOf(registry);
  keep(await openCallout({ config, registry: integrations, floods, clock, log, metrics, signal: stopping }));
  log.info({ integrations: integrations.list().length }, 'integrations may come in');
}

const given = ({ webhooks }: Testing) => (webhooks === undefined ? {} : { testing: webhooks });

const versionOfPackage = (): string =>
  (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { readonly version: string }).version;
