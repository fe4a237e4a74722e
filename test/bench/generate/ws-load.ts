/** Sends over WebSocket (`graphql-transport-ws`): one socket for each sender, any number of operations in flight on it. */
import type { Done, Load } from './load.ts';
import { keyMaker, type Sender, sendBody, TEXT } from './operations.ts';
import { openGraphqlWire } from './subscriber.ts';
import { frameOf, type Wire } from './wire.ts';

export interface WsOptions {
  readonly kind: 'ws';
  readonly port: number;
  readonly senders: readonly Sender[];
}

export async function openWsLoad({ port, senders }: WsOptions): Promise<Load> {
  const key = keyMaker();
  const sockets = await Promise.all(
    senders.map(async (sender, i) => new SendingSocket(await openGraphqlWire(port, sender.token), sender, i)),
  );
  let turn = 0;
  return {
    start: (done) => (sockets[turn++ % sockets.length] as SendingSocket).send(key(), done),
    close: async () => {
      for (const socket of sockets) socket.close();
    },
  };
}

export class SendingSocket {
  readonly #wire: Wire;
  readonly #lanes: readonly string[];
  readonly #waiting = new Map<string, Done>();
  #turn: number;
  #operation = 0;
  #closed: string | undefined;

  constructor(wire: Wire, sender: Pick<Sender, 'lanes'>, turn: number) {
    this.#wire = wire;
    this.#lanes = sender.lanes;
    this.#turn = turn;
    wire.onText = (_length, payload) => this.#read(payload?.toString('latin1') ?? '');
    wire.onClosed = (reason) => {
      this.#closed = reason;
      for (const done of this.#waiting.values()) done(reason);
      this.#waiting.clear();
    };
  }

  send(key: string, done: Done, text = TEXT): void {
    if (this.#closed !== undefined) {
      // Later, as every answer; a load that goes on at once would never let the process go on.
      setTimeout(() => done(this.#closed), 10);
      return;
    }
    const lane = this.#lanes[this.#turn++ % this.#lanes.length] as string;
    const id = String(this.#operation++);
    this.#waiting.set(id, done);
    this.#wire.send(frameOf(`{"id":"${id}","type":"subscribe","payload":${sendBody(lane, key, text)}}`));
  }

  close(): void {
    this.#wire.close();
  }

  /** The answer is the `next` (or `error`) message; the `complete` after it is not waited for. */
  #read(message: string): void {
    const from = message.indexOf('"id":"') + 6;
    if (from < 6) return;
    const id = message.slice(from, message.indexOf('"', from));
    const done = this.#waiting.get(id);
    if (done === undefined) return;
    this.#waiting.delete(id);
    if (message.includes('"accepted":{')) done(undefined, message);
    else done(message.slice(0, 600));
  }
}
