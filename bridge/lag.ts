/** How far an integration is behind: what the bridge has still to deliver to it, and what it has still to read. */
import type { AppId } from '../schema/ids.ts';
import { appStream } from '../schema/subjects.ts';
import { ApiRefusal, type Questions } from '../services/journal/ask.ts';
import type { Journal } from '../services/journal/journal.ts';
import type { Link } from '../services/journal/link.ts';
import { headerOf, numberOf } from '../services/journal/message.ts';
import { readStream } from './app-streams.ts';
import { Reaches } from './reaches.ts';

/** As `CONSUMER.LIST` has it, as far as it is needed. */
export interface ConsumerInfo {
  readonly name: string;
  readonly config: {
    readonly durable_name?: string;
    readonly filter_subject?: string;
    readonly filter_subjects?: readonly string[];
  };
  readonly ack_floor: { readonly stream_seq: number };
  readonly num_pending: number;
  readonly num_ack_pending: number;
}
export interface ConsumerLag {
  readonly name: string;
  readonly durable: boolean;
  /** Messages that it has not acknowledged, and of them those that it was given. */
  readonly unread: number;
  readonly given: number;
  /** Age of the oldest of them; undefined: there is none. */
  readonly oldestMs?: number;
}
export interface IntegrationLag {
  readonly app: AppId;
  /** Records of the lanes that no bridge has looked at for it: 0 where it is up to date. Undefined: no bridge has begun. */
  readonly behindRecords?: number;
  readonly messages: number;
  readonly bytes: number;
  readonly maxBytes: number;
  /** Of the slowest durable consumer; everything where there is none. */
  readonly unread: number;
  readonly consumers: readonly ConsumerLag[];
}

/** Empty where there is no stream. Throws JournalUnavailable. */
export async function listConsumers(questions: Questions, app: AppId): Promise<readonly ConsumerInfo[]> {
  const all: ConsumerInfo[] = [];
  try {
    for (;;) {
      const page = await questions.api<{ readonly total: number; readonly consumers: ConsumerInfo[] | null }>(
        `CONSUMER.LIST.${appStream(app)}`,
        { offset: all.length },
      );
      all.push(...(page.consumers ?? []));
      if (!page.consumers?.length || all.length >= page.total) return all;
    }
  } catch (error) {
    if (error instanceof ApiRefusal) return all;
    throw error;
  }
}

export const unreadOf = (consumers: readonly ConsumerInfo[], messages: number): number => {
  const durable = consumers.filter(({ config }) => config.durable_name !== undefined);
  if (durable.length === 0) return messages;
  return Math.max(...durable.map(({ num_pending, num_ack_pending }) => num_pending + num_ack_pending));
};

/** Of an integration, as it is now. `link` is in the integrations' account. Throws JournalUnavailable. */
export async function lagOf(
  {
    link,
    questions,
    journal,
    clock,
  }: {
    readonly link: Link;
    readonly questions: Questions;
    readonly journal: Pick<Journal, 'partitions' | 'partitionEnd'>;
    readonly clock: () => number;
  },
  app: AppId,
): Promise<IntegrationLag> {
  const reach = await new Reaches(link, questions, journal.partitions).read(app);
  const stream = await readStream(questions, appStream(app));
  const consumers = await listConsumers(questions, app);
  const { messages = 0, bytes = 0 } = stream?.state ?? {};
  return {
    app,
    ...(reach ? { behindRecords: await behindOf(journal, reach.positions) } : {}),
    ...{ messages, bytes, maxBytes: stream?.config.max_bytes ?? 0, unread: unreadOf(consumers, messages) },
    consumers: await Promise.all(
      consumers.map(async (consumer): Promise<ConsumerLag> => {
        const unread = consumer.num_pending + consumer.num_ack_pending;
        const oldest = unread > 0 ? await storedAt(questions, app, consumer) : undefined;
        return {
          name: consumer.name,
          durable: consumer.config.durable_name !== undefined,
          unread,
          given: consumer.num_ack_pending,
          ...(oldest === undefined ? {} : { oldestMs: Math.max(0, clock() - oldest) }),
        };
      }),
    ),
  };
}

export async function behindOf(journal: Pick<Journal, 'partitionEnd'>, positions: readonly number[]): Promise<number> {
  const ends = await Promise.all(positions.map((_, p) => journal.partitionEnd(p, 'figure')));
  return positions.reduce((sum, position, p) => sum + Math.max(0, (ends[p] as number) - position), 0);
}

/** When the first message behind a consumer's floor was stored; undefined: it is gone. */
async function storedAt(
  questions: Questions,
  app: AppId,
  { ack_floor, config }: ConsumerInfo,
): Promise<number | undefined> {
  const filter = config.filter_subject ?? config.filter_subjects?.[0];
  const request = { seq: ack_floor.stream_seq + 1, batch: 1, ...(filter ? { next_by_subj: filter } : {}) };
  const { messages } = await questions.batch(appStream(app), request);
  const [first] = messages;
  return first && numberOf(first.head, 'Nats-Sequence') > 0
    ? Date.parse(headerOf(first.head, 'Nats-Time-Stamp'))
    : undefined;
}
