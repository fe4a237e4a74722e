/**
 * The load generator of P3: messages on a schedule, and receivers that take each one's time of arrival. A message carries
 * its number, so that its delay is counted from when it was due.
 */
import { type CpuUse, cpuBetween, type Pids, readCpu } from '../cpu.ts';
import { drained, newHistogram, type Percentiles, percentilesOf, recordNs } from './load.ts';
import { keyMaker, type Sender, TEXT_BYTES } from './operations.ts';
import { nowNs, pace } from './pace.ts';
import { openPublisher, type PublishOptions } from './publish-load.ts';
import { serve } from './serve.ts';
import { openFollower, openGraphqlWire } from './subscriber.ts';
import { openWire, type Wire } from './wire.ts';
import { SendingSocket } from './ws-load.ts';

export interface ThroughResult {
  /** From the schedule to each receiver. */
  readonly latency: Percentiles;
  readonly late: Percentiles;
  readonly deliveries: number;
  readonly failed: number;
  readonly firstError: string | undefined;
  readonly cpu: CpuUse;
}
export interface Through {
  readonly open:
    | {
        readonly kind: 'ours';
        readonly port: number;
        readonly receivers: readonly { token: string; lane: string }[];
        readonly senders: readonly Sender[];
      }
    | { readonly kind: 'relay'; readonly port: number; readonly receivers: number; readonly publish: PublishOptions };
  readonly opened: undefined;
  readonly run: {
    readonly rate: number;
    readonly warmMs: number;
    readonly ms: number;
    /** Of those who receive one message. */
    readonly receiversEach: number;
    readonly pids: Pids;
  };
  readonly result: ThroughResult;
}

const wires: Wire[] = [];
let send: (text: string, done: (error?: string) => void) => void = () => {};
let closeSenders: () => Promise<void> = async () => {};
/** Of the run that is on: what came in. */
let onArrival: (n: number) => void = () => {};
let [messages, firstError]: [number, string | undefined] = [0, undefined];

const MARK = '#';
/** As long as every other message's text. */
const textOf = (n: number): string => `${MARK}${String(n).padStart(8, '0')}${'x'.repeat(TEXT_BYTES - 9)}`;

function listen(wire: Wire): void {
  wire.onText = (_length, payload) => {
    const from = payload?.indexOf(MARK) ?? -1;
    if (from >= 0) onArrival(Number(payload?.toString('latin1', from + 1, from + 9)));
  };
  wire.onClosed = (reason) => {
    firstError ??= reason;
  };
  wires.push(wire);
}

async function open(options: Through['open']): Promise<undefined> {
  if (options.kind === 'relay') {
    for (let i = 0; i < options.receivers; i++) listen(await openWire({ port: options.port, path: '/receive' }));
    const { publish, close } = await openPublisher(options.publish);
    const filler = 'x'.repeat(options.publish.payloadBytes - TEXT_BYTES);
    send = (text, done) => publish(text + filler, done);
    closeSenders = close;
  } else {
    const { port, receivers, senders } = options;
    for (const { token, lane } of receivers) listen(await openFollower(port, token, lane));
    const sockets = await Promise.all(
      senders.map(async (sender, i) => new SendingSocket(await openGraphqlWire(port, sender.token), sender, i)),
    );
    const key = keyMaker();
    let turn = 0;
    send = (text, done) => sockets[turn++ % sockets.length]?.send(key(), done, text);
    closeSenders = async () => {
      for (const socket of sockets) socket.close();
    };
  }
  return undefined;
}

async function run(job: Through['run']): Promise<ThroughResult> {
  const [latency, late] = [newHistogram(), newHistogram()];
  const pids = { ...job.pids, generator: process.pid };
  const first = messages;
  const warm = first + Math.round((job.warmMs * job.rate) / 1000);
  const count = Math.round(((job.warmMs + job.ms) * job.rate) / 1000);
  const dues: number[] = [];
  let [arrived, measured, failed, from] = [0, 0, 0, readCpu(pids)];
  onArrival = (n) => {
    const due = dues[n - first];
    if (due === undefined) return;
    arrived++;
    if (n < warm) return;
    measured++;
    recordNs(latency, nowNs() - due);
  };
  await pace(job.rate, count, (i, dueNs) => {
    const n = first + i;
    if (n === warm) from = readCpu(pids);
    if (n >= warm) recordNs(late, nowNs() - dueNs);
    dues.push(dueNs);
    send(textOf(n), (error) => {
      if (error === undefined) return;
      failed++;
      firstError ??= error;
    });
  });
  const cpu = cpuBetween(from, readCpu(pids));
  messages += count;
  await drained(() => failed > 0 || arrived >= count * job.receiversEach);
  const ends = { failed, firstError, deliveries: measured };
  return { latency: percentilesOf(latency), late: percentilesOf(late), ...ends, cpu };
}

serve<Through>({
  open,
  run,
  close: async () => {
    for (const wire of wires) wire.close();
    await closeSenders();
  },
});
