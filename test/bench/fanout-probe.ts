/**
 * The way from a lane's live copy to its followers' sockets alone, beside a loop of `ws.send` on the same sockets: no NATS, no
 * MongoDB, no graphql-ws. For whoever works on the hub or the sink; P4 and P5 are the figures that count.
 *
 *     npx tsx test/bench/fanout-probe.ts [sockets = 1000] [seconds a round = 2] [rounds = 5]
 *     node --expose-gc --import tsx test/bench/fanout-probe.ts memory [sockets = 4000]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type WebSocket, WebSocketServer } from 'ws';
import type { LaneId, UserId } from '../../schema/ids.ts';
import { openStreams } from '../../services/api/stream.ts';
import { wsSink } from '../../services/api/ws-sink.ts';
import { Lanes } from '../../services/journal/lanes.ts';
import { MemoryJournal } from '../../services/journal/memory.ts';
import { openReads } from '../../services/views/reads.ts';
import { FOLLOW, FRAME_SCHEMA, NO_HISTORY, QUIET, Scribe, TestSink, until } from '../support/stream-rig.ts';

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n';
const TEXT = 'x'.repeat(100);

/** The receivers: they count bytes, and say when all have another whole message. */
function receive(port: number, sockets: number): void {
  let bytes = 0;
  let size = 0;
  let told = 0;
  let open = 0;
  for (let i = 0; i < sockets; i++) {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(UPGRADE));
    socket.once('data', () => {
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        const whole = size > 0 ? Math.floor(bytes / size) : 0;
        if (whole > told) {
          told = whole;
          process.send?.(whole);
        }
      });
      if (++open === sockets) process.send?.('open');
    });
  }
  process.on('message', (each: number) => {
    size = each * sockets;
    bytes = 0;
    told = 0;
    process.send?.('ready');
  });
}

const answer = (child: ChildProcess, wanted: unknown): Promise<void> =>
  new Promise((resolve) => {
    const heard = (message: unknown): void => {
      if (message !== wanted) return;
      child.off('message', heard);
      resolve();
    };
    child.on('message', heard);
  });

async function openSockets(count: number) {
  const server = createServer().listen(0, '127.0.0.1');
  const sockets = new WebSocketServer({ server, maxPayload: 65_536, perMessageDeflate: false });
  const all: WebSocket[] = [];
  sockets.on('connection', (socket) => all.push(socket));
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const child = fork(fileURLToPath(import.meta.url), ['receive', String(port), String(count)]);
  await answer(child, 'open');
  const close = (): void => {
    child.kill();
    for (const socket of all) socket.terminate();
    server.close();
  };
  return { all, child, close };
}

function openLane() {
  const journal = new MemoryJournal({ partitions: 1 });
  const lanes = new Lanes(journal, { maxWeight: 1_000_000, log: QUIET });
  const reads = openReads(NO_HISTORY, journal);
  const streams = openStreams({ schema: FRAME_SCHEMA, journal, lanes, reads, log: QUIET });
  const lane = 'lane' as LaneId;
  const scribe = new Scribe((to, payload) => journal.put(to, payload), lane);
  scribe.create(['reader' as UserId]);
  const follow = (socket: WebSocket, id: string) => {
    const sink = wsSink(socket, id);
    const viewer = { user: 'reader' as UserId, admin: false };
    sink.follow(streams.open({ document: FOLLOW, variables: { id: lane, after: null }, viewer }, sink));
    return sink;
  };
  /** The JSON of one message's frame. */
  const sample = async (): Promise<string> => {
    const sink = new TestSink();
    const viewer = { user: 'reader' as UserId, admin: false };
    const stream = streams.open({ document: FOLLOW, variables: { id: lane, after: null }, viewer }, sink);
    await until(() => sink.frames.length === 2);
    scribe.say(TEXT);
    await until(() => sink.frames.length === 3);
    stream.stop();
    return sink.payloads.at(-1)?.parts[0]?.utf8.toString() ?? '';
  };
  return { scribe, follow, sample };
}

type Side = { readonly send: () => void; readonly bytes: number; readonly close: () => void };

/** Messages in flight until every receiver has them; what the server's process spent on each delivery. */
async function flow(child: ChildProcess, side: Side, sockets: number, inFlight: number, seconds: number) {
  const ready = answer(child, 'ready');
  child.send(side.bytes);
  await ready;
  let whole = 0;
  const heard = (count: unknown): void => {
    if (typeof count !== 'number') return;
    for (; whole < count; whole++) side.send();
  };
  child.on('message', heard);
  for (let i = 0; i < inFlight; i++) side.send();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const [from, at, cpu] = [whole, performance.now(), process.cpuUsage()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const [to, ms, used] = [whole, performance.now() - at, process.cpuUsage(cpu)];
  child.off('message', heard);
  await new Promise((resolve) => setTimeout(resolve, 200));
  side.close();
  const deliveries = (to - from) * sockets;
  return { perSecond: (deliveries / ms) * 1_000, us: (used.user + used.system) / deliveries };
}

/** Of one message for one socket: the frame's head, the envelope and the JSON. */
const bytesOf = (json: string, id: string): number => Buffer.byteLength(envelope(json, id)) + 4;
const envelope = (json: string, id: string): string => `{"id":"${id}","type":"next","payload":${json}}`;

async function openSides(all: readonly WebSocket[]): Promise<Record<string, () => Promise<Side>>> {
  const lane = openLane();
  // From here on every seq has six digits, so that every frame has one length.
  for (let i = 0; i < 200; i++) lane.scribe.say(...Array.from({ length: 500 }, () => 'x'));
  const json = await lane.sample();
  const limit = (send: (text: string) => void) => async (): Promise<Side> => {
    const text = envelope(json, '1');
    return { send: () => send(text), bytes: bytesOf(json, '1'), close: () => {} };
  };
  const ours = (idOf: () => string) => async (): Promise<Side> => {
    const sinks = all.map((socket) => lane.follow(socket, idOf()));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const close = (): void => {
      for (const sink of sinks) void sink.return();
    };
    return { send: () => lane.scribe.say(TEXT), bytes: bytesOf(json, idOf()), close };
  };
  return {
    'ws.send(string)': limit((text) => {
      for (const socket of all) socket.send(text);
    }),
    'ws.send(buffer)': limit((text) => {
      const bytes = Buffer.from(text);
      for (const socket of all) socket.send(bytes, { binary: false });
    }),
    'socket.write(whole frame)': limit((text) => {
      const bytes = Buffer.concat([Buffer.from([0x81, 126, text.length >> 8, text.length & 255]), Buffer.from(text)]);
      for (const socket of all) if ('_socket' in socket) (socket._socket as Socket).write(bytes);
    }),
    'ours, one id': ours(() => '1'),
    'ours, ids of their own': ours(randomUUID),
  };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function measure(count: number, seconds: number, rounds: number): Promise<void> {
  const { all, child, close } = await openSockets(count);
  const sides = await openSides(all);
  for (const inFlight of [1, 4]) {
    const results = new Map(Object.keys(sides).map((name) => [name, [] as { perSecond: number; us: number }[]]));
    for (let round = 0; round < rounds; round++)
      for (const [name, open] of Object.entries(sides))
        results.get(name)?.push(await flow(child, await open(), count, inFlight, seconds));
    for (const [name, runs] of results) {
      const perSecond = median(runs.map((run) => run.perSecond));
      const us = median(runs.map((run) => run.us));
      console.log(`${count} sockets, ${inFlight} in flight, ${name}: ${Math.round(perSecond)}/s, ${us.toFixed(2)} µs`);
    }
  }
  close();
}

async function weigh(count: number): Promise<void> {
  const used = (): number => {
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const empty = used();
  const { all, close } = await openSockets(count);
  const bare = used();
  const lane = openLane();
  for (const socket of all) void lane.follow(socket, randomUUID()).next();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const following = used();
  console.log(
    `a socket: ${Math.round((bare - empty) / count)} bytes; a subscription on it: ${Math.round((following - bare) / count)}`,
  );
  close();
}

const [what = '1000', second, third] = process.argv.slice(2);
if (what === 'receive') receive(Number(second), Number(third));
else if (what === 'memory') await weigh(Number(second ?? 4_000));
else await measure(Number(what), Number(second ?? 2), Number(third ?? 5));
