/**
 * The load generator of P4, P4b and P5: a crowd of receivers that only count, and one sender that keeps a fixed number of
 * messages in flight; a message is in flight until every receiver has it whole.
 */
import { type CpuUse, cpuBetween, type Pids, readCpu } from '../cpu.ts';
import { drained, newHistogram, type Percentiles, percentilesOf, recordNs, wait } from './load.ts';
import { keyMaker, type Sender, TEXT } from './operations.ts';
import { nowNs } from './pace.ts';
import { serve } from './serve.ts';
import { openFollower, openGraphqlWire, openInbox } from './subscriber.ts';
import { frameOf, openWire, type Wire } from './wire.ts';
import { SendingSocket } from './ws-load.ts';

/** Receiver i follows `lane`, or with a device the inbox of it; `relay` receivers follow nothing, a relay sends to all. */
export interface Receiver {
  readonly token: string;
  readonly lane: string;
  readonly device?: string;
}
export type Crowd =
  | { readonly kind: 'ours'; readonly port: number; readonly receivers: readonly Receiver[] }
  | { readonly kind: 'relay'; readonly port: number; readonly receivers: number };
export interface FanoutResult {
  readonly deliveries: number;
  readonly perSecond: number;
  /** From the send until the last receiver had it. */
  readonly toLast: Percentiles;
  readonly messages: number;
  readonly cpu: CpuUse;
}
export interface Fanout {
  readonly open: Crowd & { readonly sender?: Sender };
  readonly opened: undefined;
  readonly run:
    | { readonly kind: 'grow'; readonly to: number }
    /** One message to all: the bytes of its frame's payload. */
    | { readonly kind: 'probe' }
    | {
        readonly kind: 'flow';
        readonly inFlight: number;
        readonly warmMs: number;
        readonly ms: number;
        readonly payloadBytes: number;
        readonly pids: Pids;
      };
  readonly result: FanoutResult | number | undefined;
}

const CONNECTS_AT_ONCE = 100;
/** Shorter frames are not messages: `StreamStarted`, `CaughtUp`, keep-alive. */
const MESSAGE_BYTES_MIN = 250;

let crowd: Fanout['open'];
const wires: Wire[] = [];
/** How many messages each receiver has had; the n-th it has is the n-th sent. */
let had: Uint32Array = new Uint32Array(0);
/** How many receivers have had the n-th. */
let reached: number[] = [];
let lastBytes = 0;
let broken: string | undefined;
let onWhole: (n: number) => void = () => {};
let sendOne: (bytes: number) => void = () => {};
let closeSender: () => void = () => {};
const key = keyMaker();

function receive(i: number, length: number): void {
  if (length < MESSAGE_BYTES_MIN) return;
  lastBytes = length;
  const n = (had[i] as number)++;
  const count = (reached[n] ?? 0) + 1;
  reached[n] = count;
  if (count === wires.length) onWhole(n);
}

async function openReceiving(port: number, { token, lane, device }: Receiver): Promise<Wire> {
  if (device === undefined) return openFollower(port, token, lane);
  const wire = await openGraphqlWire(port, token);
  await openInbox(wire, device);
  return wire;
}

async function openReceiver(i: number): Promise<void> {
  const at = crowd.kind === 'ours' ? crowd.receivers[i] : undefined;
  const wire =
    at === undefined ? await openWire({ port: crowd.port, path: '/receive' }) : await openReceiving(crowd.port, at);
  wire.onText = (length) => receive(i, length);
  wire.onClosed = (reason) => {
    broken ??= `receiver ${i}: ${reason}`;
  };
  wire.skipPayloads();
  wires[i] = wire;
}

async function grow(to: number): Promise<undefined> {
  let next = wires.length;
  const worker = async () => {
    while (next < to) await openReceiver(next++);
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, worker));
  had = new Uint32Array(to);
  reached = [];
  return undefined;
}

async function openSender(): Promise<void> {
  if (crowd.kind === 'relay') {
    const wire = await openWire({ port: crowd.port, path: '/send' });
    sendOne = (bytes) => wire.send(frameOf('x'.repeat(bytes)));
    closeSender = () => wire.close();
  } else if (crowd.sender !== undefined) {
    const socket = new SendingSocket(await openGraphqlWire(crowd.port, crowd.sender.token), crowd.sender, 0);
    sendOne = () =>
      socket.send(
        key(),
        (error) => {
          if (error !== undefined) broken ??= error;
        },
        TEXT,
      );
    closeSender = () => socket.close();
  }
}

async function probe(): Promise<number> {
  reset();
  sendOne(MESSAGE_BYTES_MIN);
  await drained(() => broken !== undefined || reached[0] === wires.length);
  if (broken !== undefined) throw new Error(broken);
  return lastBytes;
}

const reset = (): void => {
  had.fill(0);
  reached = [];
  onWhole = () => {};
};

async function flow(job: Extract<Fanout['run'], { kind: 'flow' }>): Promise<FanoutResult> {
  reset();
  const toLast = newHistogram();
  const sentNs: number[] = [];
  let [running, measuring, whole] = [true, false, 0];
  const send = () => {
    sentNs.push(nowNs());
    sendOne(job.payloadBytes);
  };
  onWhole = (n) => {
    if (measuring) {
      whole++;
      recordNs(toLast, nowNs() - (sentNs[n] as number));
    }
    if (running) send();
  };
  const deliveries = () => had.reduce((sum, count) => sum + count, 0);
  for (let i = 0; i < job.inFlight; i++) send();
  await wait(job.warmMs);
  const [from, before] = [readCpu(job.pids), deliveries()];
  measuring = true;
  await wait(job.ms);
  measuring = false;
  const [cpu, count] = [cpuBetween(from, readCpu(job.pids)), deliveries() - before];
  running = false;
  await drained(() => broken !== undefined || reached[sentNs.length - 1] === wires.length);
  if (broken !== undefined) throw new Error(broken);
  return { deliveries: count, perSecond: count / cpu.seconds, toLast: percentilesOf(toLast), messages: whole, cpu };
}

serve<Fanout>({
  open: async (options) => {
    crowd = options;
    await openSender();
    return undefined;
  },
  run: async (job) => {
    switch (job.kind) {
      case 'grow':
        return grow(job.to);
      case 'probe':
        return probe();
      case 'flow':
        return flow({ ...job, pids: { ...job.pids, generator: process.pid } });
      default:
        return job satisfies never;
    }
  },
  close: async () => {
    closeSender();
    for (const wire of wires) wire?.close();
  },
});
