/** The load generator of R1: acknowledgements of one mark each over WebSocket, or what is their limit. */
import type { Done, Load, LoadJob, LoadResult } from './load.ts';
import { runLoad } from './load.ts';
import { openPublishLoad, type PublishOptions } from './publish-load.ts';
import { serve } from './serve.ts';
import { openGraphqlWire } from './subscriber.ts';
import { frameOf, type Wire } from './wire.ts';

export interface AcksOptions {
  readonly kind: 'acks';
  readonly port: number;
  /** Each has a socket, and a device of this name; its lanes have events up to `lastSeq`. */
  readonly readers: readonly { readonly token: string; readonly lanes: readonly string[] }[];
  readonly device: string;
  readonly lastSeq: number;
}
export interface Acks {
  readonly open: AcksOptions | PublishOptions;
  readonly opened: undefined;
  readonly run: LoadJob;
  readonly result: LoadResult;
}

const ACKNOWLEDGE =
  'mutation Ack($input:AcknowledgeInput!){acknowledge(input:$input){acknowledgedAt refused{code message}}}';
const REGISTER =
  'mutation Device($input:RegisterDeviceInput!){registerDevice(input:$input){device{id} refused{code message}}}';

/** Lane by lane in turn, each one event further. */
class Reader {
  readonly #wire: Wire;
  readonly #parts: readonly [string, string, string];
  readonly #lanes: readonly string[];
  readonly #lastSeq: number;
  readonly #waiting = new Map<string, Done>();
  #turn = 0;
  #operation = 0;

  constructor(wire: Wire, lanes: readonly string[], device: string, lastSeq: number) {
    this.#wire = wire;
    this.#lanes = lanes;
    this.#lastSeq = lastSeq;
    this.#parts = [
      `"payload":{"query":${JSON.stringify(ACKNOWLEDGE)},"variables":{"input":{"device":"${device}","marks":[{"conversationId":"`,
      '","seq":',
      '}]}}}}',
    ];
    wire.onText = (_length, payload) => this.#read(payload?.toString('latin1') ?? '');
    wire.onClosed = (reason) => {
      for (const done of this.#waiting.values()) done(reason);
      this.#waiting.clear();
    };
  }

  register(device: string): Promise<void> {
    const payload = { query: REGISTER, variables: { input: { device } } };
    return new Promise((resolve, reject) => {
      this.#ask(`"payload":${JSON.stringify(payload)}}`, (error) =>
        error === undefined ? resolve() : reject(new Error(error)),
      );
    });
  }

  acknowledge(done: Done): void {
    const lane = this.#lanes[this.#turn % this.#lanes.length] as string;
    const seq = 1 + (Math.floor(this.#turn++ / this.#lanes.length) % this.#lastSeq);
    this.#ask(this.#parts[0] + lane + this.#parts[1] + seq + this.#parts[2], done);
  }

  close(): void {
    this.#wire.close();
  }

  #ask(rest: string, done: Done): void {
    const id = String(this.#operation++);
    this.#waiting.set(id, done);
    this.#wire.send(frameOf(`{"id":"${id}","type":"subscribe",${rest}`));
  }

  #read(message: string): void {
    const from = message.indexOf('"id":"') + 6;
    const id = message.slice(from, message.indexOf('"', from));
    const done = this.#waiting.get(id);
    if (from < 6 || done === undefined) return;
    this.#waiting.delete(id);
    if (message.includes('"acknowledgedAt":"') || message.includes('"device":{')) done(undefined, message);
    else done(message.slice(0, 600));
  }
}

async function openAcks({ port, readers, device, lastSeq }: AcksOptions): Promise<Load> {
  const all = await Promise.all(
    readers.map(async ({ token, lanes }) => {
      const reader = new Reader(await openGraphqlWire(port, token), lanes, device, lastSeq);
      await reader.register(device);
      // Every lane once: what is measured is not the loading of cold ones.
      for (const _ of lanes)
        await new Promise<void>((resolve, reject) => {
          reader.acknowledge((error) => (error === undefined ? resolve() : reject(new Error(error))));
        });
      return reader;
    }),
  );
  let turn = 0;
  return {
    start: (done) => (all[turn++ % all.length] as Reader).acknowledge(done),
    close: async () => {
      for (const reader of all) reader.close();
    },
  };
}

let load: Load | undefined;

serve<Acks>({
  open: async (options) => {
    load = await (options.kind === 'acks' ? openAcks(options) : openPublishLoad(options));
    return undefined;
  },
  run: (job) => {
    if (load === undefined) throw new Error('not open');
    return runLoad(load, { ...job, pids: { ...job.pids, generator: process.pid } });
  },
  close: async () => load?.close(),
});
