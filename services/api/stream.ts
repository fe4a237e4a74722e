/** The live streams of conversations, as the servers of WebSocket and SSE see them. */
import type { DocumentNode, GraphQLSchema } from 'graphql';
import type { LaneId } from '../../schema/ids.ts';
import type { Buckets } from '../buckets.ts';
import type { Journal, Stoppable } from '../journal/journal.ts';
import type { Lanes } from '../journal/lanes.ts';
import type { Logger } from '../logger.ts';
import { publicError } from './errors.ts';
import type { GapReader } from './feed.ts';
import { Frames } from './frames.ts';
import type { Viewer } from './gate.ts';
import { Gateway, type StreamLimits } from './gateway.ts';
import type { ReceiptFeed } from './receipt-feed.ts';
import type { Sink } from './sink.ts';
import { newStreamCounts, type StreamCounts } from './stream-metrics.ts';

export interface StreamOperation {
  /** Validated; memoised, since operations are recognised as the same by its identity. */
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
  readonly viewer: Viewer;
  /** A position from outside the document (`Last-Event-ID`), of an inbox its cursor: the greater of it and of `after` counts. */
  readonly lastSeen?: number | string | undefined;
}

export interface ConversationStreams {
  /** The document's operation is a subscription with the root field `conversation`. Never throws; what goes wrong goes to `sink.end`. */
  open(operation: StreamOperation, sink: Sink): Stoppable;
  /** As if the lane's live copy had come: for an append that was found by look-up. */
  ring(lane: LaneId): void;
  /** Ends following. Sinks hear nothing of it: whoever owns the connections closes them. */
  stop(): Promise<void>;
}

export interface StreamsOptions {
  readonly schema: GraphQLSchema;
  /** What each user may have made of frames with long lists. */
  readonly work?: Pick<Buckets, 'charge' | 'wait'>;
  readonly journal: Pick<Journal, 'listen' | 'read' | 'lastRevisions' | 'onReconnect'>;
  readonly lanes: Lanes;
  readonly reads: GapReader;
  readonly log: Logger;
  readonly counts?: StreamCounts;
  /** Absent: streams bring no marks of members. Stopped by its owner. */
  readonly receipts?: ReceiptFeed;
  readonly limits?: StreamLimits;
}

const NOTHING: Stoppable = { stop: () => {} };

/** Throws if the schema has no subscription `conversation`. */
export function openStreams(options: StreamsOptions): ConversationStreams {
  const { log, counts = newStreamCounts() } = options;
  const frames = new Frames(options);
  const gateway = new Gateway({ ...options, counts, frames });
  return {
    open: ({ document, operationName, variables, viewer, lastSeen }, sink) => {
      try {
        const parsed = frames.parse({ document, operationName, variables, admin: viewer.admin });
        if (parsed.kind === 'bad') {
          sink.end(parsed.error);
          return NOTHING;
        }
        const after = typeof lastSeen !== 'number' ? parsed.asked.after : Math.max(lastSeen, parsed.asked.after ?? 0);
        return gateway.follow({ ...parsed.asked, after }, viewer, sink) ?? NOTHING;
      } catch (error) {
        sink.end(publicError(error, log));
        return NOTHING;
      }
    },
    ring: (lane) => gateway.ring(lane),
    stop: async () => gateway.stop(),
  };
}
