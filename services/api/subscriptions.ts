/** All subscriptions that there are: each to the streams that bring it, as far as its user's share goes. */
import { GraphQLError } from 'graphql';
import type { Stoppable } from '../journal/journal.ts';
import { apiError } from './errors.ts';
import { rootNameOf } from './root-field.ts';
import type { Shares, StreamKind } from './shares.ts';
import type { Sink } from './sink.ts';
import type { StreamOperation } from './stream.ts';

/**
 * The document is validated, and its operation is a subscription. Never throws; what goes wrong goes to `sink.end`. What is given
 * is stopped when the reader is gone, and when the sink has ended.
 */
export interface OpensStreams {
  open(operation: StreamOperation, sink: Sink): Stoppable;
}

const NOTHING: Stoppable = { stop: () => {} };

/** By the name of the root field. */
export function subscriptionsOf(streams: Readonly<Record<StreamKind, OpensStreams>>, shares: Shares): OpensStreams {
  const isKind = (root: string): root is StreamKind => Object.hasOwn(streams, root);
  return {
    open: (operation, sink) => {
      const root = rootNameOf(operation.document, operation.operationName);
      if (root === undefined || !isKind(root)) {
        sink.end(apiError('BAD_USER_INPUT', 'This server has no such subscription.'));
        return NOTHING;
      }
      const held = shares.hold(root, operation.document, operation.viewer);
      if (held instanceof GraphQLError) {
        sink.end(held);
        return NOTHING;
      }
      return releasing(streams[root].open(operation, sink), held);
    },
  };
}

/** Stops once. */
function releasing(stream: Stoppable, release: () => void): Stoppable {
  let isStopped = false;
  return {
    stop: () => {
      if (isStopped) return;
      isStopped = true;
      release();
      stream.stop();
    },
  };
}
