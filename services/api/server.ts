/** The listening socket: open before anything behind it is, so that whoever watches the process can ask what it waits for. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Config } from '../config.ts';
import { portErrorOf } from '../port-error.ts';
import { unavailable } from './errors.ts';
import { GRAPHQL_PATH, type HttpDoor } from './http.ts';
import { refuse } from './http-answer.ts';
import type { Readiness } from './readiness.ts';
import { refuseUpgrade, type Sockets } from './ws.ts';

/** A caller gets so long for its headers, and so long for all of a request: what trickles in is cut off. */
const HEADERS_WITHIN_MS = 10_000;
const REQUEST_WITHIN_MS = 30_000;
const CHECK_EVERY_MS = 5_000;
/** Longer than the usual idle time of a load balancer (60 s), so that it is the one who closes. */
const KEEP_ALIVE_MS = 65_000;
/** A connection on which nothing comes and nothing of an answer is taken. An event stream is never silent for so long, a WebSocket has pings of its own. */
const IDLE_MS = 60_000;
/** Connections that the kernel holds for us while the loop is busy: 5,000 clients may come back in one second. */
const BACKLOG = 4_096;

export interface Doors {
  readonly http: HttpDoor;
  readonly sockets: Sockets;
}

export class ApiServer {
  readonly #server: Server;
  readonly #readiness: Readiness;
  #doors: Doors | undefined;

  private constructor(readiness: Readiness, idleMs: number) {
    this.#readiness = readiness;
    this.#server = createServer(
      {
        headersTimeout: HEADERS_WITHIN_MS,
        requestTimeout: REQUEST_WITHIN_MS,
        connectionsCheckingInterval: CHECK_EVERY_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        noDelay: true,
      },
      (request, response) => (this.#doors ? this.#doors.http.handle(request, response) : this.#wait(request, response)),
    );
    this.#server.setTimeout(idleMs);
    this.#server.on('upgrade', (request, line, head) => this.#upgrade(request, line, head));
  }

  /** Settles when it listens. Rejects with a ConfigError that names LANES_PORT where the port is taken. */
  static async listen(
    config: Pick<Config, 'host' | 'port'>,
    readiness: Readiness,
    idleMs = IDLE_MS,
  ): Promise<ApiServer> {
    const api = new ApiServer(readiness, idleMs);
    await new Promise<void>((resolve, reject) => {
      api.#server.once('error', (error) => reject(portErrorOf(error, config.port, 'the API', 'LANES_PORT') ?? error));
      api.#server.listen({ port: config.port, host: config.host, backlog: BACKLOG }, resolve);
    });
    return api;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  open(doors: Doors): void {
    this.#doors = doors;
  }

  /** Takes no new connections; settles when the last one is closed, which `closeAll` sees to. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    return closed;
  }

  closeAll(): void {
    this.#server.closeAllConnections();
  }

  #wait({ url = '/' }: IncomingMessage, response: ServerResponse): void {
    if (url === '/healthz') {
      response.end('ok\n');
      return;
    }
    void this.#readiness.check().then((status) => {
      const reason = status.isReady ? 'starting' : status.reason;
      if (url.split('?')[0] === GRAPHQL_PATH)
        refuse(response, 503, unavailable(`This server accepts nothing yet: ${reason}.`));
      else
        response.writeHead(503, { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1' }).end(`${reason}\n`);
    });
  }

  #upgrade(request: IncomingMessage, line: Duplex, head: Buffer): void {
    const path = request.url?.split('?')[0];
    if (path !== GRAPHQL_PATH) refuseUpgrade(line, 404);
    else if (this.#doors) this.#doors.sockets.upgrade(request, line, head);
    else refuseUpgrade(line, 503);
  }
}
