/** What `lanes why` tells: the facts that the api gives by `Message.delivery`, in lines for people. */
import { NO_PUSH_REASONS } from '../../schema/delivery.ts';
import type { MessageSent } from '../../schema/events.ts';
import type { LaneId, Millis, Seq, UserId } from '../../schema/ids.ts';
import { type Config, ConfigError } from '../config.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import { JournalUnavailable } from '../journal/journal.ts';
import { Lanes, type Loaded } from '../journal/lanes.ts';
import { openJetStreamReceipts } from '../journal/receipts-jetstream.ts';
import type { Logger } from '../logger.ts';
import { HistoryUnavailable } from '../views/ask.ts';
import { Mongo } from '../views/connect.ts';
import { type Delivery, deliveriesOf, recipientIds } from '../views/delivery.ts';
import { openDevices } from '../views/devices.ts';
import { openHistory } from '../views/history.ts';
import { openReads } from '../views/reads.ts';
import { openReceiptBoard } from '../views/receipts.ts';

export interface WhyOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly lane: LaneId;
  readonly seq: Seq;
  /** Undefined: of every recipient. */
  readonly user: UserId | undefined;
  readonly print: (line: string) => void;
}
export type Told = { readonly kind: 'told' } | { readonly kind: 'nothing'; readonly message: string };

const CONNECT_MS = 20_000;
const LANES_WEIGHT = 100_000;
/** Recipients that are told of without being named. */
const RECIPIENTS_MAX = 100;

/** Throws ConfigError, in one line, where a store cannot be reached. */
export async function tellWhy(options: WhyOptions): Promise<Told> {
  const { config, log } = options;
  const { nats, partitions, storeBytes: maxBytes } = config;
  const signal = AbortSignal.timeout(CONNECT_MS);
  const opened = { ...nats, partitions, log, signal };
  const closing: { close(): Promise<void> }[] = [];
  try {
    const journal = await openJetStreamJournal({ ...opened, maxBytes, name: 'why' });
    closing.push(journal);
    const receipts = await openJetStreamReceipts({ ...opened, name: 'why receipts' });
    const mongo = new Mongo(config.mongo, log, { socketTimeoutMs: 5_000, maxPoolSize: 8 });
    const history = openHistory(config, log);
    const board = openReceiptBoard({ receipts, mongo, log });
    closing.push(receipts, mongo, history, { close: () => board.stop() });
    const reads = openReads(history, journal);
    const lanes = new Lanes(journal, { maxWeight: LANES_WEIGHT, log });
    return await tell(options, {
      lanes,
      reads,
      parts: {
        mongo,
        board,
        devices: openDevices(mongo, log, journal.clock.now),
        reads,
        log,
        clock: journal.clock.now,
      },
    });
  } catch (error) {
    if (signal.reason !== undefined && error === signal.reason)
      throw new ConfigError(`NATS at ${nats.servers.join(', ')} does not answer: is it running? (LANES_NATS_URL)`);
    if (error instanceof HistoryUnavailable)
      throw new ConfigError(`MongoDB does not answer: is it running? (LANES_MONGO_URL; ${error.message})`);
    if (error instanceof JournalUnavailable) throw new ConfigError(error.message);
    throw error;
  } finally {
    for (const one of closing.reverse()) await one.close();
  }
}

interface Stores {
  readonly lanes: Lanes;
  readonly reads: ReturnType<typeof openReads>;
  readonly parts: Parameters<typeof deliveriesOf>[0];
}

async function tell({ lane, seq, user, print }: WhyOptions, { lanes, reads, parts }: Stores): Promise<Told> {
  const loaded = await lanes.fresh(lane);
  const message = await reads.event(loaded, seq);
  if (!message) return { kind: 'nothing', message: `there is no event ${lane}:${seq}` };
  if (message.type !== 'MessageSent')
    return { kind: 'nothing', message: `${lane}:${seq} is no message: ${message.type}` };
  const all = recipientIds(loaded, message);
  if (user !== undefined && !all.includes(user)) return { kind: 'nothing', message: strangerOf(loaded, message, user) };
  const wanted = user === undefined ? all.slice(0, RECIPIENTS_MAX) : [user];
  print(
    `${lane}:${seq}, by ${message.by}, accepted ${time(message.at)}, ${all.length} ${all.length === 1 ? 'recipient' : 'recipients'}`,
  );
  const deliveries = await deliveriesOf(parts, loaded, message, wanted);
  for (const one of wanted) for (const line of linesOf(deliveries.get(one))) print(line);
  if (user === undefined && all.length > wanted.length)
    print(`… and ${all.length - wanted.length} more: name a user to hear of it`);
  return { kind: 'told' };
}

function strangerOf({ lane }: Loaded, { seq, by }: MessageSent, user: UserId): string {
  if (user === by) return `${user} sent it`;
  const left = lane.former.get(user);
  if (left) return `${user} left the conversation with event ${left.leftSeq}`;
  const joined = lane.members.get(user);
  return joined ? `${user} joined with event ${joined.joinedSeq}, after ${seq}` : `${user} is no member`;
}

/** Of one recipient: its state, then what happened, in order, then why no push went. Pure. */
export function linesOf(delivery: Delivery | undefined): string[] {
  if (!delivery) return [];
  const { user, state, attempts, deliveredAt, deliveredTo, readAt, noPushReason } = delivery;
  const happened: [Millis, string][] = attempts.map(({ at, provider, device, outcome, code }) => [
    at,
    `push by ${provider} to device ${device}: ${outcome}${code === undefined ? '' : ` (${code})`}`,
  ]);
  if (deliveredAt !== undefined)
    happened.push([deliveredAt, `delivered${deliveredTo === undefined ? '' : ` to device ${deliveredTo}`}`]);
  if (readAt !== undefined) happened.push([readAt, 'read']);
  happened.sort(([a], [b]) => a - b);
  return [
    `${user}: ${state}`,
    ...happened.map(([at, what]) => `  ${time(at)}  ${what}`),
    ...(noPushReason === undefined ? [] : [`  no push: ${noPushReason}, ${NO_PUSH_REASONS[noPushReason].words}`]),
  ];
}

const time = (at: Millis): string => new Date(at).toISOString();
