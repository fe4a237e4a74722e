/** The room: one process of the GraphQL API, its parts made in order and stopped in the order that loses nothing. */
import type { Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import type { Journal } from '../journal/journal.ts';
import { Lanes } from '../journal/lanes.ts';
import { Submit } from '../journal/submit.ts';
import { DEFAULT_RULES } from '../lane/decide.ts';
import type { Logger } from '../logger.ts';
import { adminPortOf, createRegistry, startAdmin } from '../metrics.ts';
import { openHistory } from '../views/history.ts';
import { openReads } from '../views/reads.ts';
import { Admission } from './admission.ts';
import { createApiMetrics } from './api-metrics.ts';
import { Auth } from './auth.ts';
import { createEngine } from './engine.ts';
import { GraphiQL } from './graphiql.ts';
import { HttpDoor } from './http.ts';
import { Buckets, Counts, MAX_SOCKETS_PER_USER } from './limits.ts';
import { Origins } from './origins.ts';
import { People } from './people.ts';
import { Readiness } from './readiness.ts';
import { conversationResolvers } from './resolvers/conversation.ts';
import { eventResolvers } from './resolvers/events.ts';
import { mutationResolvers } from './resolvers/mutation.ts';
import { queryResolvers, userResolvers } from './resolvers/query.ts';
import { schemaWith } from './resolvers/schema.ts';
import { ApiServer } from './server.ts';
import { EventStreams } from './sse.ts';
import { openStreams } from './stream.ts';
import { newStreamCounts, registerStreamMetrics } from './stream-metrics.ts';
import { Sockets } from './ws.ts';

export interface Api {
  readonly port: number;
  readonly adminPort: number;
  /** Drains: answers what is under way, closes sockets with 1012, settles when nothing is left running. */
  stop(): Promise<void>;
}

/** Folded lanes kept, in entries of about 150 bytes: some 150 MB. */
const LANES_WEIGHT = 1_000_000;
/** How long answers under way and closing handshakes may take. */
const DRAIN_MS = 5_000;

/**
 * Settles when sends are accepted, so it waits for NATS (`signal` ends that), and not for MongoDB. Rejects with a ConfigError
 * for what waiting does not mend.
 */
export async function start(config: Config, log: Logger, signal?: AbortSignal): Promise<Api> {
  const readiness = new Readiness();
  const registry = createRegistry('api');
  const server = await ApiServer.listen(config, readiness);
  const stops: (() => Promise<void>)[] = [() => server.close()];
  try {
    const admin = await startAdmin({ host: config.host, port: adminPortOf(config, 'api'), registry });
    stops.push(() => admin.stop());
    const { nats, partitions, storeBytes: maxBytes } = config;
    const journal = await openJetStreamJournal({ ...nats, partitions, maxBytes, log, name: 'api', signal });
    stops.push(() => journal.close());
    const room = openRoom(config, log, { journal, registry, readiness });
    server.open(room.doors);
    readiness.opened(journal);
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
  readonly journal: Journal;
  readonly registry: Registry;
  readonly readiness: Readiness;
}

/** Everything between the store and the doors. */
function openRoom(config: Config, log: Logger, { journal, registry, readiness }: Base) {
  const history = openHistory(config, log);
  const people = new People(history, log);
  const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log });
  const reads = openReads(history, journal);
  const metrics = createApiMetrics(registry, () => ({ ws: sockets.size, sse: events.size }));
  const counts = newStreamCounts();
  registerStreamMetrics(registry, counts);
  const submit = new Submit(journal, lanes, reads, {
    rules: { ...DEFAULT_RULES, create: config.create, membersAdd: config.membersAdd },
    clock: Date.now,
    log,
    observer: metrics.observer((lane) => streams.ring(lane)),
  });
  const schema = schemaWith({
    ...eventResolvers,
    ...userResolvers(people),
    ...conversationResolvers(reads),
    ...queryResolvers({ lanes, history, reads, log }),
    ...mutationResolvers({ submit, lanes, reads, sends: new Buckets(config.sends) }),
  });
  // Frames are made for all readers at once: their resolvers have no request to look at.
  const streams = openStreams({ schema, contextValue: undefined, journal, lanes, reads, log, counts });
  const engine = createEngine({ schema, introspection: config.introspection, log });
  const admission = new Admission(new Auth(config.jwt), people, config.sends);
  const origins = new Origins(config);
  const perUser = new Counts(MAX_SOCKETS_PER_USER);
  const events = new EventStreams(streams, perUser);
  const sockets = new Sockets({ engine, lanes, admission, origins, streams, perUser, metrics, log });
  const graphiql = config.graphiql ? new GraphiQL(config) : undefined;
  const http = new HttpDoor({
    engine,
    lanes,
    admission,
    origins,
    readiness,
    streams: events,
    graphiql,
    metrics,
    log,
  });
  return {
    doors: { http, sockets },
    stop: async () => {
      events.stop();
      await Promise.all([sockets.stop(DRAIN_MS), within(DRAIN_MS, http.idle())]);
      await submit.stop();
      await Promise.all([streams.stop(), within(DRAIN_MS, people.stop())]);
      await Promise.all([journal.close(), history.close()]);
    },
  };
}

/** Settles with the work, or without it. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
