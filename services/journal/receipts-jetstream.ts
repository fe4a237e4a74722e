/** The log of receipts in NATS JetStream, on a connection of its own. Its streams are made with those of the lanes. */
import type { LinkOptions } from './link.ts';
import type { ReceiptLog } from './receipts.ts';

/** Settles when connected, however long that takes (`signal` ends it). Throws ConfigError where NATS refuses our credentials. */
export declare function openJetStreamReceipts(
  options: LinkOptions & { readonly partitions: number },
): Promise<ReceiptLog>;
