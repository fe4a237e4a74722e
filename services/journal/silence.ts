/**
 * Gives a server up that says nothing any more, though the connection to it stands: frozen, or cut off without a word. Of several
 * servers only: where there is one, nothing is won by leaving it.
 */
import type { NatsConnection } from 'nats';
import type { Logger } from '../logger.ts';
import type { Stoppable } from './journal.ts';

/** One that is silent in so many looks in a row is given up: 3 s after its last word at the latest. */
const LOOK_MS = 1_000;
const SILENT_LOOKS = 2;

/** What the client holds inside (nats 2.29.3, nats.js and node_transport.js). */
interface Inside {
  readonly protocol?: { readonly transport?: { readonly socket?: { destroy(): void } } };
}

/**
 * Counts looks, not time: when this process itself stood still, what came meanwhile is heard between two looks. Any message is a
 * sign of life, so that a server whose answer to a ping waits behind much data is not given up.
 */
export function watchSilence(nc: NatsConnection, isUp: () => boolean, log: Logger): Stoppable {
  let heard = 0;
  let silentLooks = 0;
  let isAsked = false;
  const answered = (): void => {
    isAsked = false;
  };
  const look = (): void => {
    if (!isUp() || nc.isClosed()) return;
    const { inMsgs } = nc.stats();
    silentLooks = isAsked && inMsgs === heard ? silentLooks + 1 : 0;
    heard = inMsgs;
    if (silentLooks >= SILENT_LOOKS) {
      silentLooks = 0;
      log.warn('NATS is silent: another server is tried');
      leave(nc);
    } else if (!isAsked) {
      isAsked = true;
      nc.flush().then(answered, answered);
    }
  };
  const looking = setInterval(look, LOOK_MS);
  looking.unref();
  return { stop: () => clearInterval(looking) };
}

/** The client itself would first wait until the silent server has taken what is written. */
function leave(nc: NatsConnection): void {
  const { socket } = (nc as unknown as Inside).protocol?.transport ?? {};
  if (socket) socket.destroy();
  else void nc.reconnect();
}
