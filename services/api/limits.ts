/** What one user, address or socket may take. */
/** Tokens, in the sense of GraphQL's grammar, of one document. */
export const MAX_TOKENS = 2_000;
/** Fields inside fields, fragments resolved; the schema's own deepest useful query has 9. */
export const MAX_DEPTH = 14;
/** The fields that one execution may visit at most, lists counted once: what fragments multiply. */
export const MAX_FIELDS = 1_000;
export const MAX_ROOT_FIELDS = 20;
/** Rows of all pages that one request asks for, in lists inside lists too: of the largest messages they are 40 MB. */
export const MAX_ROWS = 2_500;
export const MAX_ALIASES = 50;
export const MAX_DIRECTIVES = 50;
/** Operations and fragments of one document. */
export const MAX_DEFINITIONS = 100;
/** Fragments spread, each as often as it is reached. */
export const MAX_SPREADS = 200;
/**
 * Fields that ask again for what another field at the same place of the answer asks for, fragments resolved: validation compares
 * each with each (400 of them took it 0.3 s, measured; 200 take 20 ms at the most).
 */
export const MAX_REPEATED = 200;
/** What one answer, or one frame of a stream, may hold, estimated in bytes before it is made: see `context.ts`. */
export const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** Answers by HTTP that wait for their clients to read them: past it the connection that has waited longest is closed. */
export const UNREAD_ANSWERS = { ofUser: 2 * MAX_ANSWER_BYTES, all: 16 * MAX_ANSWER_BYTES } as const;
/** Errors reported for one document. */
export const MAX_VALIDATION_ERRORS = 10;

/** Operations at once on one socket, subscriptions among them. */
export const MAX_OPERATIONS_PER_SOCKET = 256;
/** Sockets and event streams of one user, and from one address, in this process. */
export const MAX_SOCKETS_PER_USER = 1_000;
export const MAX_SOCKETS_PER_ADDRESS = 20_000;
/** What may wait in a socket's send buffer before the socket is closed with 1013. */
export const MAX_BUFFERED_BYTES = 1024 * 1024;

/** Tokens that were not seen before, in this process: verified at once, and waiting for that. At 0.1 ms each the last waits 0.1 s. */
export const VERIFICATIONS = { running: 16, waiting: 1_000 };
/** Of the id that a client gives an operation on a socket: it stands in every message about it. */
export const MAX_OPERATION_ID = 128;
/** The variables that a subscription declares, as JSON: they are held as long as it lasts. */
export const MAX_STREAM_VARIABLES = 8 * 1024;

/**
 * Streams of one user at once in this process. The totals stand with each kind of stream (`gateway.ts`, `inbox.ts`,
 * `delivery-stream.ts`): a user has a twentieth of them at the most. It follows no more conversations than it has streams.
 */
export const STREAMS_PER_USER = { conversation: 1_000, inbox: 500, delivery: 250 } as const;
/** Different documents that open streams hold, in the weight of `documents.ts`: 4 MB of a user's, 80 MB of all. */
export const DOCUMENTS_OF_STREAMS = { ofUser: 25_000, all: 500_000 } as const;
/** A server (`lanes:server`) that acts for itself has so many times a user's share; acting for a user it takes of that user's. */
export const SERVER_SHARES = 4;
/** Before whoever has its share, or finds the process full, comes again. */
export const RETRY_AFTER_MS = 5_000;
