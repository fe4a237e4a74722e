/**
 * WebSockets: graphql-ws speaks the protocol, what happens on a socket is here. Guaranteed: nothing that a client sends closes
 * a socket with 4500; what is wrong with one operation ends that operation alone.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionArgs, GraphQLError } from 'graphql';
import {
  type Context,
  handleProtocols,
  makeServer,
  type Server,
  type ServerOptions,
  type SubscribePayload,
} from 'graphql-ws';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { MAX_REQUEST_BYTES } from '../../schema/commands.ts';
import { type Buckets, Counts } from '../buckets.ts';
import type { Lanes } from '../journal/lanes.ts';
import type { Logger } from '../logger.ts';
import { type Admission, type Admitted, tooMany } from './admission.ts';
import type { ApiMetrics } from './api-metrics.ts';
import type { Standing } from './auth.ts';
import type { Clients } from './clients.ts';
import { contextOf, type RequestContext } from './context.ts';
import { type Engine, isSubscription, type Operation, paramsOf } from './engine.ts';
import { publicError, unavailable } from './errors.ts';
import { sharesOf, viewerOf } from './gate.ts';
import { MAX_OPERATIONS_PER_SOCKET, MAX_SOCKETS_PER_ADDRESS, RETRY_AFTER_MS } from './limits.ts';
import type { Origins } from './origins.ts';
import type { OpensStreams } from './subscriptions.ts';
import { CLOSES, type Close, Connection } from './ws-connection.ts';
import { keepOnlyQuery, messageOf } from './ws-message.ts';
import { wsSink } from './ws-sink.ts';

/** For `connection_init`; then 4408, which clients retry. */
const INIT_WITHIN_MS = 10_000;
const SWEEP_EVERY_MS = 500;
/** A key that the issuer has changed is no fault of the user's: a token of the new one is let in. */
const CLOSE_OF = {
  expired: CLOSES.tokenExpired,
  unsigned: CLOSES.tokenExpired,
  revoked: CLOSES.tokenRevoked,
} satisfies Record<Exclude<Standing, 'good'>, Close>;
/** All the answer that a ping needs; its payload is not echoed. */
const PONG = '{"type":"pong"}';

export interface SocketParts {
  readonly engine: Engine;
  readonly lanes: Lanes;
  /** What each user's answers may take. */
  readonly work: Buckets;
  readonly admission: Admission;
  readonly clients: Clients;
  readonly origins: Origins;
  readonly streams: OpensStreams;
  /** Sockets and event streams by user. */
  readonly perUser: Counts;
  readonly metrics: ApiMetrics;
  readonly log: Logger;
}

/** What `onSubscribe` hands to `execute` and `subscribe`. */
interface SocketOperation extends Omit<ExecutionArgs, 'document'>, Operation {
  variables: Operation['variables'];
  readonly id: string;
  readonly connection: Connection;
  readonly contextValue: RequestContext;
}

export class Sockets {
  readonly #parts: SocketParts;
  readonly #protocol: Server<Connection>;
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_REQUEST_BYTES,
    handleProtocols,
  });
  readonly #connections = new Set<Connection>();
  readonly #perAddress = new Counts(MAX_SOCKETS_PER_ADDRESS);
  readonly #sweep: NodeJS.Timeout;
  #draining = false;
  #onEmpty: (() => void) | undefined;

  constructor(parts: SocketParts) {
    this.#parts = parts;
    this.#protocol = makeServer(this.#options());
    this.#sweep = setInterval(() => this.#sweepAll(), SWEEP_EVERY_MS).unref();
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Takes over a request for `/graphql` that asks to become a socket. */
  upgrade(request: IncomingMessage, line: Duplex, head: Buffer): void {
    const address = this.#parts.clients.of(request);
    if (this.#draining) refuseUpgrade(line, 503);
    else if (!this.#perAddress.enter(address)) refuseUpgrade(line, 429);
    else {
      this.#leaveWith(line, address);
      this.#server.handleUpgrade(request, line, head, (socket) => this.#opened(socket, line, request, address));
    }
  }

  /** Apart from `upgrade`: closures made in one call share what they hold, and this one lives as long as the socket. */
  #leaveWith(line: Duplex, address: string): void {
    line.once('close', () => this.#perAddress.leave(address));
  }

  /** Lets answers under way leave, closes every socket with 1012, and settles when all are closed or `deadline` has passed. */
  async stop(deadlineMs: number): Promise<void> {
    this.#draining = true;
    for (const connection of this.#connections) this.#drain(connection);
    if (this.#connections.size > 0) {
      let late: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve;
        late = setTimeout(resolve, deadlineMs);
      });
      clearTimeout(late);
    }
    for (const connection of this.#connections) connection.terminate();
    clearInterval(this.#sweep);
  }

  #drain(connection: Connection): void {
    if (connection.executing === 0) connection.close(CLOSES.draining);
  }

  #opened(socket: WebSocket, line: Duplex, request: IncomingMessage, address: string): void {
    // graphql-ws gives its `closed` only after it has the socket.
    let closed: (code: number, reason: string) => Promise<void> = async () => {};
    const connection = new Connection(socket, line, address, (code, reason) => {
      closed(code, reason).catch((error: unknown) =>
        this.#parts.log.error({ err: error }, 'a socket was not tidied up'),
      );
      const user = connection.identity?.actor.user;
      if (user !== undefined) this.#parts.perUser.leave(user);
    });
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    if (!this.#parts.origins.allows(request)) {
      connection.close(CLOSES.origin);
      return;
    }
    closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (message) => connection.send(message),
        close: (code = CLOSES.fault.code, reason = '') => connection.close({ code, reason }),
        onMessage: (take) => socket.on('message', (data, isBinary) => this.#message(connection, data, isBinary, take)),
        onPing: () => connection.send(PONG),
      },
      connection,
    );
  }

  /** Not async: for as long as a subscription lasts, its message's bytes would be held. */
  #message(connection: Connection, data: RawData, isBinary: boolean, take: (message: string) => Promise<void>): void {
    if (connection.closing) return;
    connection.heard();
    if (isBinary) {
      connection.close(CLOSES.malformed);
      return;
    }
    const message = messageOf(data.toString());
    if (message === undefined) connection.close(CLOSES.longId);
    else take(message).catch((error: unknown) => this.#failed(connection, error));
  }

  #failed(connection: Connection, error: unknown): void {
    // graphql-ws throws for a message of the server's own types: the client's fault, not ours.
    const isClients = error instanceof Error && error.message.startsWith('Unexpected message of type');
    if (!isClients) this.#parts.log.error({ err: error }, 'fault on a socket');
    connection.close(isClients ? CLOSES.malformed : CLOSES.fault);
  }

  #options(): ServerOptions<Record<string, unknown>, Connection> {
    return {
      connectionInitWaitTimeout: INIT_WITHIN_MS,
      onConnect: (context) => this.#connect(context),
      onSubscribe: ({ extra, subscriptions }, id, payload) =>
        this.#prepare(extra, id, payload, Object.keys(subscriptions).length),
      execute: (args) => this.#execute(args as SocketOperation),
      subscribe: (args) => this.#subscribe(args as SocketOperation),
    };
  }

  /** False closes with 4403; where another close says more it is done before, and the first one counts. */
  async #connect(context: Context<Record<string, unknown>, Connection>): Promise<boolean> {
    const { extra: connection, connectionParams: { authorization, as } = {} } = context;
    // Else it would be held for as long as the socket.
    Object.assign(context, { connectionParams: undefined });
    const admitted = await this.#parts.admission.authenticate(authorization, as, () => connection.address);
    // It may have left meanwhile, and is then counted nowhere.
    if (connection.closing) return false;
    const close = this.#closeFor(admitted);
    if (close) connection.close(close);
    if (close || admitted.kind === 'out') return false;
    connection.identified(admitted.identity);
    return true;
  }

  #closeFor(admitted: Admitted): Close | undefined {
    if (admitted.kind === 'in') {
      const viewer = viewerOf(admitted.identity);
      return this.#parts.perUser.enter(viewer.user, sharesOf(viewer)) ? undefined : CLOSES.overloaded;
    }
    if (admitted.why === 'expired') return CLOSES.tokenExpired;
    if (admitted.why === 'revoked') return CLOSES.tokenRevoked;
    return admitted.why === 'unavailable' ? CLOSES.overloaded : CLOSES.tokenInvalid;
  }

  /** `open`: operations on this socket, this one among them. */
  #prepare(
    connection: Connection,
    id: string,
    payload: SubscribePayload,
    open: number,
  ): SocketOperation | readonly GraphQLError[] {
    const { engine, admission, log } = this.#parts;
    const { identity } = connection;
    try {
      if (!identity || this.#draining) return [unavailable('This server is stopping.')];
      if (open > MAX_OPERATIONS_PER_SOCKET)
        return [tooMany(`A socket has at most ${MAX_OPERATIONS_PER_SOCKET} operations at once.`, RETRY_AFTER_MS)];
      const excess = admission.count(identity);
      if (excess) return [excess];
      const params = paramsOf(payload);
      if (params instanceof GraphQLError) return [params];
      const prepared = engine.documents.prepare(params.query, params.operationName, identity.actor.user);
      if (prepared.kind === 'bad') return prepared.errors;
      const { document, operation } = prepared;
      if (isSubscription(operation)) keepOnlyQuery(payload, document.loc?.source.body ?? params.query);
      const { variables } = params;
      const operationName = operation.name?.value;
      const contextValue = contextOf(identity, this.#parts);
      return { schema: engine.schema, document, operation, operationName, variables, contextValue, id, connection };
    } catch (error) {
      return [publicError(error, log)];
    }
  }

  async #execute(operation: SocketOperation) {
    const { connection } = operation;
    const startedAt = performance.now();
    connection.executing++;
    const result = await this.#parts.engine.execute(operation, operation.contextValue);
    connection.executing--;
    this.#parts.metrics.answered('ws', !result.errors, performance.now() - startedAt);
    // After the answer is written, which takes microtasks only.
    if (this.#draining) setImmediate(() => this.#drain(connection));
    return result;
  }

  /** Frames go to the socket directly; what graphql-ws gets settles at the stream's end. */
  #subscribe(asked: SocketOperation) {
    const { connection, id, document, operation, variables, contextValue } = asked;
    // A stream holds what it needs of them; this is held for as long as it lasts.
    asked.variables = undefined;
    const sink = wsSink(connection.socket, id);
    const viewer = viewerOf(contextValue.identity);
    const stream = this.#parts.streams.open(
      { document, operationName: operation.name?.value, variables, viewer },
      sink,
    );
    return sink.follow(stream);
  }

  #sweepAll(): void {
    const tick = performance.now();
    for (const connection of this.#connections) {
      const { identity } = connection;
      const standing = identity ? this.#parts.admission.standingOf(identity) : 'good';
      if (standing !== 'good') connection.close(CLOSE_OF[standing]);
      connection.sweep(tick);
    }
  }
}

const REFUSALS = { 429: 'Too Many Requests', 503: 'Service Unavailable', 404: 'Not Found' } as const;

/** Instead of a socket. */
export function refuseUpgrade(line: Duplex, status: keyof typeof REFUSALS): void {
  const retry = status === 404 ? '' : `Retry-After: ${RETRY_AFTER_MS / 1000}\r\n`;
  line.on('error', () => {});
  line.end(`HTTP/1.1 ${status} ${REFUSALS[status]}\r\n${retry}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}
