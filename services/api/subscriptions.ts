/** All subscriptions that there are: each to the streams that bring it. */
import type { Stoppable } from '../journal/journal.ts';
import { apiError } from './errors.ts';
import { rootNameOf } from './root-field.ts';
import type { Sink } from './sink.ts';
import type { StreamOperation } from './stream.ts';

/** The document is validated, and its operation is a subscription. Never throws; what goes wrong goes to `sink.end`. */
export interface OpensStreams {
  open(operation: StreamOperation, sink: Sink): Stoppable;
}

const NOTHING: Stoppable = { stop: () => {} };

/** By the name of the root field. */
export const subscriptionsOf = (streams: Readonly<Record<string, OpensStreams>>): OpensStreams => ({
  open: (operation, sink) => {
    const root = rootNameOf(operation.document, operation.operationName);
    const stream = root !== undefined && Object.hasOwn(streams, root) ? streams[root] : undefined;
    if (stream) return stream.open(operation, sink);
    sink.end(apiError('BAD_USER_INPUT', 'This server has no such subscription.'));
    return NOTHING;
  },
});
