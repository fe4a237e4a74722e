/** One stream of one conversation, by WebSocket or by server-sent events. */
import { type IncomingMessage, request } from 'node:http';
import { followRequestOf, frameOf } from './documents.ts';
import { type Door, type Message, OPEN_MS, openSocket } from './doors.ts';
import type { End, Frame } from './trace.ts';

export interface Listening {
  frame(frame: Frame): void;
  /** Once; nothing comes after it. */
  end(end: End): void;
}
export interface Stream {
  /** Drops the connection without a word, as a lost network does; `end` is not called. */
  drop(): void;
  /** Stops reading for a while: what is sent waits in the network. */
  pause(): void;
  resume(): void;
}
export interface Asked {
  readonly door: Door;
  readonly token: string;
  readonly lane: string;
  readonly after: number | null;
}

/** Hands on until the first end, and nothing after it. */
function onceEnded({ frame, end }: Listening): Listening & { over: boolean; result(result: unknown): void } {
  return {
    over: false,
    frame,
    result(result: unknown) {
      if (this.over) return;
      const made = frameOf(result, performance.now());
      if ('error' in made) this.end({ kind: 'error', code: made.error });
      else frame(made);
    },
    end(how: End) {
      if (this.over) return;
      this.over = true;
      end(how);
    },
  };
}

export function followBySocket({ door, token, lane, after }: Asked, listening: Listening): Stream {
  const to = onceEnded(listening);
  const socket = openSocket(door, token);
  socket.on('message', (data) => {
    const { type, payload } = JSON.parse(String(data)) as Message;
    if (type === 'connection_ack')
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: followRequestOf(lane, after) }));
    if (type === 'next') to.result(payload);
    if (type === 'error') to.result({ errors: payload });
    if (type === 'complete') to.end({ kind: 'completed' });
    if (to.over) socket.close(1000);
  });
  socket.once('error', () => {});
  socket.once('close', (code, reason) => to.end({ kind: 'closed', code, reason: String(reason) }));
  const drop = () => {
    to.over = true;
    socket.terminate();
  };
  return { drop, pause: () => socket.pause(), resume: () => socket.resume() };
}

export function followByEvents({ door, token, lane, after }: Asked, listening: Listening): Stream {
  const to = onceEnded(listening);
  const headers = {
    accept: 'text/event-stream',
    'content-type': 'application/json',
    authorization: `Bearer ${token}`,
  };
  const call = request({ agent: false, host: '127.0.0.1', port: door.port, method: 'POST', path: '/graphql', headers });
  const timer = setTimeout(() => call.destroy(), OPEN_MS);
  call.once('error', () => to.end({ kind: 'closed' }));
  call.once('close', () => clearTimeout(timer));
  let answer: IncomingMessage | undefined;
  call.once('response', (response) => {
    clearTimeout(timer);
    answer = response;
    readEvents(response, to);
  });
  call.end(JSON.stringify(followRequestOf(lane, after)));
  const drop = () => {
    to.over = true;
    call.destroy();
  };
  return { drop, pause: () => answer?.pause(), resume: () => answer?.resume() };
}

function readEvents(response: IncomingMessage, to: ReturnType<typeof onceEnded>): void {
  const isStream = response.headers['content-type']?.startsWith('text/event-stream');
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    for (let at = text.indexOf('\n\n'); isStream && at >= 0; at = text.indexOf('\n\n')) {
      const fields = text.slice(0, at).split('\n');
      text = text.slice(at + 2);
      const fieldOf = (name: string) =>
        fields
          .find((line) => line.startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim();
      if (fieldOf('event') === 'next') to.result(JSON.parse(fieldOf('data') ?? '{}'));
      if (fieldOf('event') === 'complete') to.end({ kind: 'completed' });
    }
  });
  response.once('error', () => to.end({ kind: 'closed' }));
  response.once('close', () => {
    // Not a stream: an answer in one piece, which says why.
    if (!isStream && response.complete) to.result(replyBody(text));
    to.end({ kind: 'closed' });
  });
}

function replyBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
