/** The doorbell of deliveries in NATS itself: nothing of it is stored. */
import { isName, type LaneId, parseSeq, type UserId } from '../../schema/ids.ts';
import { deliverySubject, partitionOf } from '../../schema/subjects.ts';
import type { DeliveryBell, Ring } from './bell.ts';
import type { Stoppable } from './journal.ts';
import { type Link, type LinkOptions, openLink } from './link.ts';
import { jsonOf } from './message.ts';

/** Of more users than this nothing is said: whoever listens looks at all that it shows. */
const USERS_MAX = 100;

/** Settles when connected, however long that takes (`signal` ends it). Throws ConfigError where NATS refuses our credentials. */
export async function openDeliveryBell(options: LinkOptions & { readonly partitions: number }): Promise<DeliveryBell> {
  return new NatsBell(await openLink(options), options.partitions);
}

export class NatsBell implements DeliveryBell {
  readonly #link: Link;
  readonly #partitions: number;

  constructor(link: Link, partitions: number) {
    this.#link = link;
    this.#partitions = partitions;
  }

  ring({ lane, seq, users }: Ring): void {
    const said = users && users.length <= USERS_MAX ? { s: seq, u: users } : { s: seq };
    this.#link.send(this.#subjectOf(lane), JSON.stringify(said));
  }

  listen(lane: LaneId, onRing: (ring: Ring) => void): Stoppable {
    return this.#link.subscribe(this.#subjectOf(lane), ({ data }) => {
      const ring = ringOf(lane, data);
      if (ring) onRing(ring);
    });
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #subjectOf(lane: LaneId): string {
    return deliverySubject(partitionOf(lane, this.#partitions), lane);
  }
}

function ringOf(lane: LaneId, data: Uint8Array): Ring | undefined {
  let said: { readonly s?: unknown; readonly u?: unknown } | null;
  try {
    said = jsonOf(data) as typeof said;
  } catch {
    return undefined;
  }
  const seq = parseSeq(said?.s);
  if (seq === undefined) return undefined;
  const users = Array.isArray(said?.u) && said.u.every(isName) ? (said.u as UserId[]) : undefined;
  return { lane, seq, users };
}
