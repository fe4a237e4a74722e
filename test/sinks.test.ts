/** What the sinks put on real sockets: the bytes, the room, and the end. */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { GraphQLError, parse } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { LaneId, UserId } from '../schema/ids.ts';
import { SharedPayload } from '../services/api/sink.ts';
import { sseSink } from '../services/api/sse-sink.ts';
import { type ConversationStreams, openStreams } from '../services/api/stream.ts';
import { bytesPassed, type WsSink, wsSink } from '../services/api/ws-sink.ts';
import type { Stoppable } from '../services/journal/journal.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { openReads } from '../services/views/reads.ts';
import { FOLLOW, FRAME_SCHEMA, NO_HISTORY, QUIET, Scribe, until } from './support/stream-rig.ts';

const FULL = 256 * 1024;
const opened: (() => unknown)[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const close of opened.splice(0).reverse()) close();
});

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  opened.push(() => {
    server.closeAllConnections();
    server.close();
  });
  await until(() => server.listening);
  return (server.address() as AddressInfo).port;
};
const payloadOf = (seq: number, ...jsons: readonly string[]): SharedPayload =>
  new SharedPayload(
    jsons.map((json) => ({ utf8: Buffer.from(json), seq })),
    seq,
  );
/** JSON of exactly so many bytes. */
const jsonOf = (bytes: number): string => JSON.stringify('x'.repeat(bytes - 2));
const lineOf = (socket: WebSocket): Socket => (socket as unknown as { _socket: Socket })._socket;
const messageOf = (id: string, json: string): string => `{"id":${JSON.stringify(id)},"type":"next","payload":${json}}`;

/** Both ends of one WebSocket. */
async function openPair(options: { deflate?: boolean } = {}) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, perMessageDeflate: options.deflate ? { threshold: 0 } : false });
  const port = await listening(server);
  let here: WebSocket | undefined;
  sockets.on('connection', (socket) => {
    here = socket;
  });
  const there = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: options.deflate ?? false });
  const heard: string[] = [];
  there.on('message', (data, isBinary) => heard.push(isBinary ? 'binary' : data.toString()));
  opened.push(() => there.terminate());
  await until(() => here !== undefined && there.readyState === there.OPEN);
  return { here: here as WebSocket, there, heard };
}

describe('a WebSocket', () => {
  it('carries whole text messages of every length, for short ids and long ones', async () => {
    const { here, heard } = await openPair();
    const wanted: string[] = [];
    for (const id of ['1', 'a-much-longer-id', '"\\\u00e9\ud83d\ude00'])
      for (const around of [125, 126, 127, 65_535, 65_536, 65_537, 200_000]) {
        const json = jsonOf(Math.max(2, around - Buffer.byteLength(messageOf(id, ''))));
        wanted.push(messageOf(id, json), messageOf(id, '{"data":1}'));
        await until(() => wsSink(here, id).write(payloadOf(1, json, '{"data":1}')));
      }
    await until(() => heard.length === wanted.length);
    expect(heard.map((text) => JSON.parse(text))).toEqual(wanted.map((text) => JSON.parse(text)));
  });

  it('gets several answers in one write, and the same bytes as another with its id', async () => {
    const { here, heard } = await openPair();
    const write = vi.spyOn(lineOf(here), 'write');
    const payload = payloadOf(3, '{"a":1}', '{"a":2}', '{"a":3}');
    for (const id of ['7', '7', 'an-id-of-its-own']) wsSink(here, id).write(payload);
    await until(() => heard.length === 9);
    expect(write.mock.calls.length).toBe(3);
    expect(write.mock.calls[1]?.[0]).toBe(write.mock.calls[0]?.[0]);
    expect(heard.slice(6)).toEqual([1, 2, 3].map((a) => messageOf('an-id-of-its-own', `{"a":${a}}`)));
  });

  it('keeps the order among what others send on it', async () => {
    const { here, there, heard } = await openPair();
    let pings = 0;
    there.on('ping', () => pings++);
    const sink = wsSink(here, '1');
    for (let i = 0; i < 100; i++) {
      here.send(`before ${i}`);
      here.ping();
      sink.write(payloadOf(i, `${i}`, jsonOf(2_000)));
      here.send(Buffer.from(`after ${i}`), { binary: false });
    }
    await until(() => heard.length === 400 && pings === 100);
    expect(heard.filter((text) => text.length < 2_000)).toEqual(
      Array.from({ length: 100 }, (_, i) => [`before ${i}`, messageOf('1', `${i}`), `after ${i}`]).flat(),
    );
  });

  it('with compression gets the same messages', async () => {
    const { here, heard } = await openPair({ deflate: true });
    expect(here.extensions).toContain('permessage-deflate');
    const sink = wsSink(here, '1');
    here.send('first');
    for (let i = 0; i < 20; i++) sink.write(payloadOf(i, `${i}`, jsonOf(1_000)));
    here.send('last');
    await until(() => heard.length === 42);
    expect(heard.filter((text) => text.length < 1_000)).toEqual([
      'first',
      ...Array.from({ length: 20 }, (_, i) => messageOf('1', `${i}`)),
      'last',
    ]);
  });

  for (const deflate of [false, true])
    it(`takes no more than there is room for, and says when there is${deflate ? ', with compression' : ''}`, async () => {
      const { here, there, heard } = await openPair({ deflate });
      const line = lineOf(here);
      lineOf(there).pause();
      const sinks = Array.from({ length: 20 }, (_, i) => wsSink(here, `${i}`));
      const random = Array.from({ length: 8_000 }, () => Math.random().toString(36).slice(2, 4)).join('');
      const written: number[] = sinks.map(() => 0);
      const fill = (i: number): void => {
        while ((written[i] as number) < 40 && sinks[i]?.write(payloadOf(0, `"${written[i]} ${random}"`)))
          written[i] = (written[i] as number) + 1;
        if ((written[i] as number) < 40) sinks[i]?.onDrain(() => fill(i));
      };
      for (const i of sinks.keys()) fill(i);
      expect(here.bufferedAmount).toBeLessThan(FULL + 32 * 1024);
      expect(line.listenerCount('drain')).toBeLessThan(4);
      expect(written.reduce((sum, count) => sum + count)).toBeLessThan(800);
      const passed = bytesPassed(here);
      lineOf(there).resume();
      await until(() => heard.length === 800);
      expect(bytesPassed(here)).toBeGreaterThan(passed);
      for (const i of sinks.keys()) {
        const mine = heard
          .filter((text) => text.startsWith(`{"id":"${i}"`))
          .map((text) => Number.parseInt(text.slice(text.indexOf('payload') + 10), 10));
        expect(mine).toEqual(Array.from({ length: 40 }, (_, n) => n));
      }
    });

  it('that is closing or closed takes nothing', async () => {
    const { here, there } = await openPair();
    const sink = wsSink(here, '1');
    let drained = 0;
    here.close(1012, 'draining');
    expect(sink.write(payloadOf(0, '1'))).toBe(false);
    sink.onDrain(() => drained++);
    await until(() => there.readyState === there.CLOSED && here.readyState === here.CLOSED);
    expect(sink.write(payloadOf(0, '1'))).toBe(false);
    expect(drained).toBe(0);
  });
});

/** graphql-ws as it is, with a sink for its iterator. */
async function openProtocol(onOpen: (sink: WsSink, id: string) => Stoppable) {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  useServer<Record<string, unknown>, { socket: WebSocket }>(
    {
      onSubscribe: (ctx, id) => ({
        schema: FRAME_SCHEMA,
        document: parse('subscription { conversation(id: "c1") { seq } }'),
        contextValue: { socket: ctx.extra.socket, id },
      }),
      subscribe: (args) => {
        const { socket, id } = args.contextValue as { socket: WebSocket; id: string };
        const sink = wsSink(socket, id);
        return sink.follow(onOpen(sink, id)) as AsyncIterableIterator<never>;
      },
    },
    sockets,
    0,
  );
  const port = await listening(server);
  const client = new WebSocket(`ws://127.0.0.1:${port}`, 'graphql-transport-ws');
  opened.push(() => client.terminate());
  const heard: { type: string; id?: string; payload?: unknown }[] = [];
  client.on('message', (data) => heard.push(JSON.parse(data.toString())));
  await until(() => client.readyState === client.OPEN);
  const say = (message: object): void => client.send(JSON.stringify(message));
  say({ type: 'connection_init' });
  await until(() => heard.length === 1);
  const subscribe = (id: string): void => say({ id, type: 'subscribe', payload: { query: 'subscription { x }' } });
  return { client, heard, say, subscribe };
}

describe('an operation of graphql-transport-ws', () => {
  it('ends with `complete` after what was written', async () => {
    const { heard, subscribe } = await openProtocol((sink) => {
      sink.write(payloadOf(1, '{"data":1}'));
      setImmediate(() => {
        sink.write(payloadOf(2, '{"data":2}', '{"data":3}'));
        sink.end();
      });
      return { stop: () => {} };
    });
    subscribe('a');
    await until(() => heard.length === 5);
    expect(heard.slice(1)).toEqual([
      ...[1, 2, 3].map((data) => ({ id: 'a', type: 'next', payload: { data } })),
      { id: 'a', type: 'complete' },
    ]);
  });

  it('ends with `error`, with its extensions, also when it never began, and the socket goes on', async () => {
    const refusal = () => new GraphQLError('no', { extensions: { code: 'NOT_FOUND', retryable: false } });
    const { client, heard, subscribe } = await openProtocol((sink, id) => {
      if (id === 'at once') sink.end(refusal());
      else setImmediate(() => sink.end(refusal()));
      return { stop: () => {} };
    });
    for (const id of ['at once', 'later', 'at once']) {
      const before = heard.length;
      subscribe(id);
      await until(() => heard.length > before && heard.at(-1)?.type === 'error');
    }
    const payload = [{ message: 'no', extensions: { code: 'NOT_FOUND', retryable: false } }];
    expect(heard.slice(1)).toEqual(['at once', 'later', 'at once'].map((id) => ({ id, type: 'error', payload })));
    expect(client.readyState).toBe(client.OPEN);
  });

  it('is stopped when the client completes it, and when the socket goes', async () => {
    const stopped: string[] = [];
    const { client, heard, say, subscribe } = await openProtocol((_, id) => ({ stop: () => stopped.push(id) }));
    for (const id of ['a', 'b', 'c']) subscribe(id);
    say({ id: 'b', type: 'complete' });
    await until(() => stopped.length === 1);
    subscribe('b');
    say({ id: 'c', type: 'complete' });
    await until(() => stopped.length === 2);
    client.terminate();
    await until(() => stopped.length === 4);
    expect(stopped).toEqual(['b', 'c', 'a', 'b']);
    expect(heard).toEqual([{ type: 'connection_ack' }]);
  });
});

/** One response, and what came of it. */
async function openResponse() {
  let response: ServerResponse | undefined;
  const server = createServer((_, answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.flushHeaders();
    response = answer;
  });
  const port = await listening(server);
  let answer: IncomingMessage | undefined;
  let text = '';
  const request = httpRequest({ port, host: '127.0.0.1' }, (incoming) => {
    answer = incoming;
    incoming.on('data', (chunk) => {
      text += chunk;
    });
  });
  request.on('error', () => {});
  request.end();
  await until(() => answer !== undefined && response !== undefined);
  return { response: response as ServerResponse, request, answer: answer as IncomingMessage, text: () => text };
}

describe('server-sent events', () => {
  it('carry each answer with the position after it, and end with `complete`', async () => {
    const { response, answer, text } = await openResponse();
    const sink = sseSink(response);
    sink.write(payloadOf(4, '{"data":4}'));
    sink.write(
      new SharedPayload(
        [5, 6].map((seq) => ({ utf8: Buffer.from(`{"data":"é${seq}"}`), seq })),
        6,
      ),
    );
    sink.end();
    await until(() => answer.complete);
    expect(text()).toBe(
      'event: next\nid: 4\ndata: {"data":4}\n\nevent: next\nid: 5\ndata: {"data":"é5"}\n\nevent: next\nid: 6\ndata: {"data":"é6"}\n\nevent: complete\ndata:\n\n',
    );
    expect(sink.write(payloadOf(7, '{"data":7}'))).toBe(false);
  });

  it('end with the errors of a refusal, which has no position', async () => {
    const { response, answer, text } = await openResponse();
    sseSink(response).end(new GraphQLError('no', { extensions: { code: 'NOT_FOUND', retryable: false } }));
    await until(() => answer.complete);
    expect(text()).toBe(
      'event: next\ndata: {"errors":[{"message":"no","extensions":{"code":"NOT_FOUND","retryable":false}}]}\n\nevent: complete\ndata:\n\n',
    );
  });

  it('show every 15 s that the line is alive, and no longer than it is', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { response, request, text } = await openResponse();
    const stopped = vi.fn();
    sseSink(response).follow({ stop: stopped });
    for (const lines of [1, 2]) {
      vi.advanceTimersByTime(15_000);
      await until(() => text() === ':\n\n'.repeat(lines));
    }
    request.destroy();
    await until(() => stopped.mock.calls.length === 1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('take no more than there is room for, and go on when there is', async () => {
    const { response, answer, text } = await openResponse();
    answer.pause();
    const sink = sseSink(response);
    let written = 0;
    const fill = (): void => {
      while (written < 2_000 && sink.write(payloadOf(written, jsonOf(8_000)))) written++;
      if (written < 2_000) sink.onDrain(fill);
      else sink.end();
    };
    fill();
    expect(written).toBeLessThan(2_000);
    expect(response.writableLength).toBeLessThan(FULL + 10_000);
    answer.resume();
    await until(() => answer.complete);
    expect([...text().matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))).toEqual(
      Array.from({ length: 2_000 }, (_, i) => i),
    );
  });
});

describe('a reader that stops reading', () => {
  it('costs no memory, and has everything in the end', async () => {
    const journal = new MemoryJournal({ partitions: 1 });
    const lanes = new Lanes(journal, { maxWeight: 1_000_000, log: QUIET });
    const reads = openReads(NO_HISTORY, journal);
    const streams: ConversationStreams = openStreams({
      schema: FRAME_SCHEMA,
      journal,
      lanes,
      reads,
      log: QUIET,
    });
    opened.push(() => streams.stop());
    const lane = new Scribe((to, payload) => journal.put(to, payload), 'c1' as LaneId);
    lane.create(['alice' as UserId]);
    const { here, there, heard } = await openPair();
    const sink = wsSink(here, '1');
    const viewer = { user: 'alice' as UserId, admin: false };
    sink.follow(streams.open({ document: FOLLOW, variables: { id: 'c1', after: 0 }, viewer }, sink));
    await until(() => heard.length === 3);
    lineOf(there).pause();
    const text = 'x'.repeat(4_000);
    for (let i = 0; i < 3_000; i++) {
      lane.say(text);
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      expect(here.bufferedAmount).toBeLessThan(FULL + 128 * 1024 + 10_000);
    }
    lineOf(there).resume();
    await until(() => JSON.parse(heard.at(-1) ?? '').payload.data.conversation.seq === 3_001);
    await until(() => JSON.parse(heard.at(-1) ?? '').payload.data.conversation.__typename === 'CaughtUp');
    const frames = heard.map((message) => JSON.parse(message).payload.data.conversation);
    expect(frames.filter(({ __typename }) => __typename === 'MessageSent').map(({ seq }) => seq)).toEqual(
      Array.from({ length: 3_000 }, (_, i) => i + 2),
    );
  }, 30_000);
});
