/**
 * The way out to the providers. Each has so many places; whoever finds none waits a moment, the conversations taking turns, then is
 * turned away to come again. So a provider that hangs takes up its own places, and holds the others' work up by moments at the most.
 */

import type { LaneId } from '../../schema/ids.ts';
import { FairLine } from '../fair-line.ts';
import type { PushAddress, PushProviderName } from '../views/push-address.ts';
import type { PushMessage, PushProvider, PushResult } from './push.ts';

/** Pushes that a provider has been given and has not answered: fewer than its own line takes. */
const PLACES = 1_000;
const PLACE_WAIT_MS = 1_000;
const TURNED_AWAY: PushResult = { kind: 'retry', code: 'BUSY', afterMs: 1_000 };
const OFF: PushResult = { kind: 'retry', code: 'PROVIDER_OFF', afterMs: 60_000 };

export class Outlets {
  readonly #outlets: ReadonlyMap<PushProviderName, Outlet>;

  constructor(providers: ReadonlyMap<PushProviderName, PushProvider>) {
    this.#outlets = new Map([...providers].map(([name, provider]) => [name, new Outlet(provider)]));
  }

  /** Settles when the push is on its way or was turned away; `settled` is called once, with what it came to. Never rejects. */
  async send(
    address: PushAddress,
    message: PushMessage,
    signal: AbortSignal,
    settled: (result: PushResult) => void,
  ): Promise<void> {
    const outlet = this.#outlets.get(address.provider);
    if (!outlet) settled(OFF);
    else if (await outlet.enter(message.conversationId)) void outlet.push(address, message, signal).then(settled);
    else settled(TURNED_AWAY);
  }
}

class Outlet {
  readonly #provider: PushProvider;
  #free = PLACES;
  readonly #waiting = new FairLine<LaneId, (isIn: boolean) => void>();

  constructor(provider: PushProvider) {
    this.#provider = provider;
  }

  enter(lane: LaneId): true | Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    return new Promise((resolve) => {
      const waiter = (isIn: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(lane, waiter);
        resolve(isIn);
      };
      const timer = setTimeout(() => waiter(false), PLACE_WAIT_MS);
      this.#waiting.add(lane, waiter);
    });
  }

  async push(address: PushAddress, message: PushMessage, signal: AbortSignal): Promise<PushResult> {
    const result = await this.#provider.push(address, message, { signal });
    const next = this.#waiting.next();
    if (next) next(true);
    else this.#free++;
    return result;
  }
}
