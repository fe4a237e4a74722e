/** The room: one process of the GraphQL API, its parts made in order and stopped in the order that loses nothing. */
import type { GraphQLSchema } from 'graphql';
import type { Registry } from 'prom-client';
import type { Millis } from '../../schema/ids.ts';
import { Buckets, Counts, workOf } from '../buckets.ts';
import type { Config } from '../config.ts';
import { clockFigure, lostStoreFigure } from '../journal/figures.ts';
import { Marking } from '../journal/marking.ts';
import { Receipts } from '../journal/receipts.ts';
import { Submit } from '../journal/submit.ts';
import { DEFAULT_RULES } from '../lane/decide.ts';
import type { Logger } from '../logger.ts';
import { adminPortOf, createRegistry, startAdmin } from '../metrics.ts';
import { unprojectedFigures } from '../unprojected-metrics.ts';
import type { MarksLimits } from '../views/receipts.ts';
import { within } from '../within.ts';
import { Admission } from './admission.ts';
import { createApiMetrics } from './api-metrics.ts';
import { Auth } from './auth.ts';
import { Clients } from './clients.ts';
import { DeliveryStreams } from './delivery-stream.ts';
import { createEngine, type Engine } from './engine.ts';
import { GraphiQL } from './graphiql.ts';
import { HttpDoor } from './http.ts';
import { Inboxes, type InboxLimits } from './inbox.ts';
import { registerInboxMetrics } from './inbox-metrics.ts';
import { MAX_SOCKETS_PER_USER } from './limits.ts';
import { Origins } from './origins.ts';
import { People } from './people.ts';
import { Readiness } from './readiness.ts';
import { ReceiptFeed } from './receipt-feed.ts';
import { requestMarks } from './request-marks.ts';
import { conversationResolvers } from './resolvers/conversation.ts';
import { deliveryResolvers } from './resolvers/delivery.ts';
import { deviceResolvers } from './resolvers/devices.ts';
import { eventResolvers } from './resolvers/events.ts';
import { inboxFrameResolvers } from './resolvers/inbox.ts';
import { mutationResolvers } from './resolvers/mutation.ts';
import { queryResolvers, userResolvers } from './resolvers/query.ts';
import { receiptFrameResolvers, receiptResolvers } from './resolvers/receipts.ts';
import { schemaWith } from './resolvers/schema.ts';
import { ApiServer } from './server.ts';
import { Shares } from './shares.ts';
import { EventStreams } from './sse.ts';
import { type Connections, connect, disconnect, type JetStream, openStores, type Stores } from './stores.ts';
import { openStreams } from './stream.ts';
import { newStreamCounts, registerStreamMetrics, type StreamCounts } from './stream-metrics.ts';
import { subscriptionsOf } from './subscriptions.ts';
import { Sockets } from './ws.ts';

export interface Api {
  readonly port: number;
  readonly adminPort: number;
  /** Drains: answers what is under way, closes sockets with 1012, settles when nothing is left running. */
  stop(): Promise<void>;
}

/** How long answers under way and closing handshakes may take. */
const DRAIN_MS = 5_000;

/** Instead of the usual ones, for tests. */
export interface ApiLimits {
  readonly inbox?: InboxLimits;
  readonly marks?: MarksLimits;
}

/**
 * Settles when sends are accepted, so it waits for NATS (`signal` ends that), and not for MongoDB. Rejects with a ConfigError
 * for what waiting does not mend.
 */
export async function start(config: Config, log: Logger, signal?: AbortSignal, limits: ApiLimits = {}): Promise<Api> {
  const readiness = new Readiness();
  const registry = createRegistry('api');
  const server = await ApiServer.listen(config, readiness);
  const stops: (() => Promise<void>)[] = [() => server.close()];
  try {
    const admin = await startAdmin({ host: config.adminHost, port: adminPortOf(config, 'api'), registry });
    stops.push(() => admin.stop());
    const connections = await connect(config, log, signal);
    stops.push(async () => void (await disconnect(connections)));
    const room = openRoom(config, log, { connections, registry, readiness, limits });
    server.open(room.doors);
    readiness.opened(connections.journal);
    log.info({ port: server.port, adminPort: admin.port }, 'the api accepts sends');
    const stop = async () => {
      readiness.drain();
      const closed = server.close();
      await room.stop();
      server.closeAll();
      await Promise.all([closed, admin.stop()]);
    };
    let stopping: Promise<void> | undefined;
    return {
      port: server.port,
      adminPort: admin.port,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    server.closeAll();
    await Promise.all(stops.map((end) => end()));
    throw error;
  }
}

interface Base {
  readonly connections: Connections;
  readonly registry: Registry;
  readonly readiness: Readiness;
  readonly limits: ApiLimits;
}

/** Everything between the stores and the doors. */
function openRoom(config: Config, log: Logger, { connections, registry, readiness, limits }: Base) {
  const { journal } = connections;
  const clock = journal.clock.now;
  clockFigure([registry], journal.clock);
  const stores = openStores(config, log, connections, limits.marks);
  const { history, lanes, reads } = stores;
  const people = new People(history, log);
  const metrics = createApiMetrics(registry, {
    connections: () => ({ ws: sockets.size, sse: events.size }),
    documents: () => engine.documents.held,
    workRefused: () => work.refused,
  });
  const counts = newStreamCounts();
  registerStreamMetrics(registry, counts, () => followed.deliveries.size);
  registerInboxMetrics(registry, () => followed.inboxes);
  lostStoreFigure([registry], () => stores.check.lost);
  unprojectedFigures([registry], () => [followed.inboxes.unprojected, stores.board.unprojected]);
  const submit = new Submit(journal, lanes, reads, {
    rules: { ...DEFAULT_RULES, create: config.create, membersAdd: config.membersAdd },
    clock,
    log,
    observer: metrics.observer((lane) => followed.conversations.ring(lane)),
  });
  const receipts = new Receipts(connections.receipts, { clock, observer: metrics.receipts });
  const schema = schemaOf(config, log, { stores, people, submit, receipts, clock });
  const work = new Buckets(workOf(config.sends));
  const engine = createEngine({ schema, introspection: config.introspection, work, log });
  const followed = openFollowing(log, { engine, work, stores, journal, counts, limits });
  const auth = new Auth({ trust: config.jwt, revocations: connections.revocations, log, clock });
  const admission = new Admission(auth, people, config.sends, metrics.verified);
  const origins = new Origins(config);
  const perUser = new Counts(MAX_SOCKETS_PER_USER);
  const events = new EventStreams(followed.subscriptions, perUser, (identity) => admission.standingOf(identity));
  const clients = new Clients(config.trustedProxies);
  const doors = { engine, lanes, work, admission, clients, origins, metrics, log };
  const sockets = new Sockets({ ...doors, streams: followed.subscriptions, perUser });
  const graphiql = config.graphiql ? new GraphiQL(config) : undefined;
  const http = new HttpDoor({ ...doors, readiness, streams: events, graphiql });
  return {
    doors: { http, sockets },
    stop: async () => {
      events.stop();
      auth.stop();
      await Promise.all([sockets.stop(DRAIN_MS), within(DRAIN_MS, http.idle())]);
      await Promise.all([submit.stop(), receipts.stop()]);
      await Promise.all([followed.stop(), within(DRAIN_MS, people.stop())]);
      await stores.close();
      await disconnect(connections);
    },
  };
}

interface SchemaParts {
  readonly stores: Stores;
  readonly people: People;
  readonly submit: Submit;
  readonly receipts: Receipts;
  readonly clock: () => Millis;
}

/** The published schema and every resolver on it. */
function schemaOf(
  { sends, push }: Config,
  log: Logger,
  { stores, people, submit, receipts, clock }: SchemaParts,
): GraphQLSchema {
  const { lanes, reads, history, devices, unread, deliveries } = stores;
  const marksOf = requestMarks({ ...stores, clock });
  const marking = new Marking({ lanes, receipts, clock });
  return schemaWith(
    eventResolvers,
    receiptFrameResolvers,
    inboxFrameResolvers,
    userResolvers(people),
    conversationResolvers(reads),
    queryResolvers({ lanes, history, reads, log }),
    mutationResolvers({ submit, lanes, reads, sends: new Buckets(sends) }),
    deviceResolvers(devices, push.webPushHosts),
    receiptResolvers({ lanes, marking, devices, unread, history, marksOf }),
    deliveryResolvers({ deliveries, marksOf }),
  );
}

interface FollowingParts {
  readonly engine: Engine;
  readonly work: Buckets;
  readonly stores: Stores;
  readonly journal: JetStream;
  readonly counts: StreamCounts;
  readonly limits: ApiLimits;
}

/** Everything that is followed. */
function openFollowing(log: Logger, { engine, work, stores, journal, counts, limits }: FollowingParts) {
  const { schema, documents } = engine;
  const { lanes, reads, deliveries: found } = stores;
  const receipts = new ReceiptFeed({ ...stores, log });
  const conversations = openStreams({ schema, work, journal, lanes, reads, log, counts, receipts });
  const deliveries = new DeliveryStreams({ schema, lanes, reads, deliveries: found, log });
  const clock = journal.clock.now;
  const inboxes = new Inboxes({ ...stores, schema, work, journal, counts, clock, log, limits: limits.inbox });
  const shares = new Shares({
    weightOf: (document) => documents.weightOf(document),
    onRefused: (share) => {
      counts.shares[share]++;
    },
  });
  return {
    conversations,
    deliveries,
    inboxes,
    subscriptions: subscriptionsOf({ conversation: conversations, inbox: inboxes, delivery: deliveries }, shares),
    stop: async () => {
      deliveries.stop();
      await Promise.all([conversations.stop(), inboxes.stop()]);
      receipts.stop();
    },
  };
}
