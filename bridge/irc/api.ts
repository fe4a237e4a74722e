/** One user's line to the api, with that user's own token: what may be seen and done is decided there, and nowhere here. */
import { isIPv6 } from 'node:net';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { LaneId } from '../../schema/ids.ts';
import { FOLLOW, type Frame, followShape } from './documents.ts';

/** `code`: of an error of the api, or one of the last three, which are made here. */
export interface Trouble {
  readonly kind: 'trouble';
  /** `NOT_REACHED`: nothing was sent. `NO_ANSWER`: it may have been done. `NOT_UNDERSTOOD`: the answer has another form. */
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly message: string;
}
export type Answer<T> = { readonly kind: 'data'; readonly data: T } | Trouble;

export type StreamEnd =
  | { readonly kind: 'completed' }
  | Trouble
  /** The socket is gone; `reason`: the api's own word. */
  | { readonly kind: 'dropped'; readonly code: number | undefined; readonly reason: string };

export interface Follower {
  frame(frame: Frame): void;
  /** Once; nothing comes after it. */
  ended(end: StreamEnd): void;
}

const ANSWER_WITHIN_MS = 10_000;
const ALIVE_EVERY_MS = 10_000;
const ALIVE_WITHIN_MS = 10_000;
/** A socket without a stream is kept so long: a channel is closed, and the next is opened. */
const IDLE_MS = 1_000;
/** The largest frame of the api: an event with 10,000 members of 64 characters. */
const MAX_FRAME_BYTES = 4 * 1024 * 1024;

const errorShape = z.object({
  message: z.string(),
  extensions: z.object({ code: z.string(), retryable: z.boolean(), retryAfterMs: z.number().nullish() }),
});
const answerShape = z.object({ data: z.unknown().optional(), errors: z.array(errorShape).optional() });

const trouble = (code: string, message: string, retryable = true, retryAfterMs?: number): Trouble => ({
  kind: 'trouble',
  code,
  retryable,
  retryAfterMs,
  message,
});
const NO_ANSWER = trouble('NO_ANSWER', 'The api gave no answer.');
const NOT_UNDERSTOOD = trouble('NOT_UNDERSTOOD', 'The api gave an answer that is not understood.', false);

export class Api {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #client: Client;

  /** `url`: of `/graphql`, by http or https. `address`: of the IRC client, for the limits of an api that trusts this process. */
  constructor(url: string, token: string, address: string) {
    const authorization = `Bearer ${token}`;
    const forwarding = forwardingOf(address);
    this.#url = url;
    this.#headers = { 'content-type': 'application/json', authorization, ...forwarding };
    this.#client = clientOf(url.replace(/^http/, 'ws'), authorization, forwarding);
  }

  /** By HTTP. Never rejects. */
  async ask<T>(query: string, variables: Readonly<Record<string, unknown>>, shape: z.ZodType<T>): Promise<Answer<T>> {
    let response: Response;
    try {
      response = await fetch(this.#url, {
        method: 'POST',
        redirect: 'error',
        headers: this.#headers,
        body: JSON.stringify({ query, variables }),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      return answerOf(response.status, await response.json(), shape);
    } catch (error) {
      return isRefusedConnection(error) ? trouble('NOT_REACHED', 'The api cannot be reached.') : NO_ANSWER;
    }
  }

  /** Follows a conversation from behind a place on, by WebSocket. After `stop` nothing is called any more. */
  follow(id: LaneId, after: number, follower: Follower): { stop(): void } {
    let over = false;
    const end = (why: StreamEnd) => {
      if (over) return;
      over = true;
      stop();
      follower.ended(why);
    };
    const stop = this.#client.subscribe(
      { query: FOLLOW, variables: { id, after } },
      {
        next: (payload) => {
          if (over) return;
          const answer = answerOf(200, payload, followShape);
          if (answer.kind === 'data') follower.frame(answer.data.conversation);
          else end(answer);
        },
        error: (error) => end(endOf(error)),
        complete: () => end({ kind: 'completed' }),
      },
    );
    return {
      stop: () => {
        over = true;
        stop();
      },
    };
  }

  close(): void {
    // The socket may be half open: nothing is waited for.
    this.#client.terminate();
    void this.#client.dispose();
  }
}

/** In both forms: a proxy between adds to the one that it knows, and an api counts by the client where the two agree. */
const forwardingOf = (address: string): Readonly<Record<string, string>> =>
  address === ''
    ? {}
    : { forwarded: isIPv6(address) ? `for="[${address}]"` : `for=${address}`, 'x-forwarded-for': address };

const socketsWith = (headers: Readonly<Record<string, string>>) =>
  /** What is wrong with a socket ends in its close; without a listener it would end the process. */
  class QuietSocket extends WebSocket {
    constructor(url: string, protocols: string | string[]) {
      super(url, protocols, {
        headers,
        perMessageDeflate: false,
        handshakeTimeout: ANSWER_WITHIN_MS,
        maxPayload: MAX_FRAME_BYTES,
      });
      this.on('error', () => {});
    }
  };

/** One that never comes back by itself: each stream does that, with its own place. */
function clientOf(url: string, authorization: string, headers: Readonly<Record<string, string>>): Client {
  let dead: NodeJS.Timeout | undefined;
  const alive = () => clearTimeout(dead);
  const client = createClient({
    url,
    webSocketImpl: socketsWith(headers),
    connectionParams: { authorization },
    retryAttempts: 0,
    connectionAckWaitTimeout: ANSWER_WITHIN_MS,
    lazyCloseTimeout: IDLE_MS,
    keepAlive: ALIVE_EVERY_MS,
    on: {
      ping: (received) => {
        if (received) return;
        alive();
        dead = setTimeout(() => client.terminate(), ALIVE_WITHIN_MS);
      },
      pong: (received) => {
        if (received) alive();
      },
      closed: alive,
      error: alive,
    },
  });
  return client;
}

function answerOf<T>(status: number, body: unknown, shape: z.ZodType<T>): Answer<T> {
  try {
    const { data, errors = [] } = answerShape.parse(body);
    const [error] = errors;
    if (error) return troubleOf(error);
    return status === 200 ? { kind: 'data', data: shape.parse(data) } : NOT_UNDERSTOOD;
  } catch (error) {
    // What stands before the api may answer for it.
    if (error instanceof z.ZodError) return status >= 500 || status === 429 ? NO_ANSWER : NOT_UNDERSTOOD;
    throw error;
  }
}

const troubleOf = ({ message, extensions }: z.infer<typeof errorShape>): Trouble =>
  trouble(extensions.code, message, extensions.retryable, extensions.retryAfterMs ?? undefined);

/** A list of GraphQL errors, or what closed the socket. */
function endOf(error: unknown): StreamEnd {
  const errors = z.array(errorShape).min(1).safeParse(error);
  if (errors.success) return troubleOf(errors.data[0] as z.infer<typeof errorShape>);
  const close = z.object({ code: z.number(), reason: z.string() }).safeParse(error);
  return { kind: 'dropped', code: close.data?.code, reason: close.data?.reason ?? '' };
}

function isRefusedConnection(error: unknown): boolean {
  const cause = z.object({ cause: z.object({ code: z.string() }) }).safeParse(error);
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(
    cause.data?.cause.code ?? '',
  );
}
