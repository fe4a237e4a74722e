/**
 * The room that speaks IRC: a client of the api for each of its own clients, with that client's token. It has no state of its own,
 * and knows neither NATS nor MongoDB. Whoever watches the process asks its admin port.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { Counts } from '../../services/buckets.ts';
import type { Settings } from '../../services/config.ts';
import type { Logger } from '../../services/logger.ts';
import { adminPortOf, createRegistry, startAdmin } from '../../services/metrics.ts';
import { portErrorOf } from '../../services/port-error.ts';
import { Client } from './client.ts';
import { placeOf } from './crowd.ts';
import { LIMITS, type Limits } from './limits.ts';
import { formatLine } from './line.ts';
import { type IrcMetrics, ircMetrics } from './metrics.ts';
import { closing } from './replies.ts';

export interface Irc {
  readonly port: number;
  readonly adminPort: number;
  /** Closes every connection; settles when what was said is in its lanes, or its time is over. */
  stop(): Promise<void>;
}
type IrcSettings = Pick<Settings, 'host' | 'port' | 'adminHost' | 'adminPort' | 'ircPort' | 'apiUrl'>;

/** Source: IANA, the registered port of IRC. */
const USUAL_PORT = 6667;
const SWEEP_EVERY_MS = 500;

/** Settles when it listens, whether the api answers or not. Rejects with a ConfigError where a port is taken. */
export async function start(
  settings: IrcSettings,
  log: Logger,
  _stopping?: AbortSignal,
  limits: Limits = LIMITS,
): Promise<Irc> {
  const clients = new Set<Client>();
  const registry = createRegistry('irc');
  const metrics = ircMetrics(registry, () => ({
    connections: clients.size,
    channels: [...clients].reduce((sum, client) => sum + client.channels, 0),
  }));
  const door = new Door({ clients, limits, metrics, log, url: apiUrlOf(settings) });
  const port = await door.listen(settings.ircPort ?? USUAL_PORT, settings.host);
  try {
    const admin = await startAdmin({ host: settings.adminHost, port: adminPortOf(settings, 'irc'), registry });
    log.info({ port, adminPort: admin.port }, 'IRC is spoken');
    const stop = async () => {
      await door.stop();
      await admin.stop();
    };
    let stopped: Promise<void> | undefined;
    return {
      port,
      adminPort: admin.port,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await door.stop();
    throw error;
  }
}

/** Where the api is that this process is a client of. */
export function apiUrlOf({ apiUrl, host, port }: Pick<Settings, 'apiUrl' | 'host' | 'port'>): string {
  const here = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const url = new URL(apiUrl ?? `http://${here}:${port}`);
  if (url.pathname === '/') url.pathname = '/graphql';
  return url.href;
}

interface DoorParts {
  readonly clients: Set<Client>;
  readonly limits: Limits;
  readonly metrics: IrcMetrics;
  readonly log: Logger;
  readonly url: string;
}

class Door {
  readonly #parts: DoorParts;
  readonly #server: Server;
  readonly #users: Counts;
  /** Closed connections whose messages are still on their way. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #sweeping: NodeJS.Timeout;

  constructor(parts: DoorParts) {
    this.#parts = parts;
    this.#users = new Counts(parts.limits.connectionsOfUser);
    // A client's end is the end of what it says: what it said before is still done.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#open(socket));
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_EVERY_MS);
  }

  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        clearInterval(this.#sweeping);
        reject(portErrorOf(error, port, 'IRC', 'LANES_IRC_PORT') ?? error);
      });
      this.#server.listen(port, host, resolve);
    });
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  async stop(): Promise<void> {
    clearInterval(this.#sweeping);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#parts.clients].map((client) => client.stop()));
    await Promise.all(this.#leaving);
    await closed;
  }

  #open(socket: Socket): void {
    const { clients, limits, ...shared } = this.#parts;
    if (!this.#hasRoom()) {
      this.#parts.metrics.closes.inc({ reason: 'refused' });
      socket.on('error', () => {});
      socket.end(formatLine(closing('There are too many connections: come again')), () => socket.destroy());
      return;
    }
    const client: Client = new Client({
      ...shared,
      socket,
      limits,
      users: this.#users,
      onClosed: () => {
        clients.delete(client);
        const { left } = client;
        this.#leaving.add(left);
        void left.then(() => this.#leaving.delete(left));
      },
    });
    clients.add(client);
  }

  /** Where there is none it is made: who says nothing, or comes in crowds, keeps nobody out. */
  #hasRoom(): boolean {
    const { clients, limits } = this.#parts;
    const present = [...clients];
    const strangers = present.filter(({ isStranger, isClosing }) => isStranger && !isClosing).length;
    if (clients.size < limits.connections && strangers < limits.strangers) return true;
    const leaving = placeOf(clients.size < limits.connections ? present.filter((one) => !one.isClosing) : present);
    leaving?.evict();
    return leaving !== undefined;
  }

  #sweep(): void {
    const tick = performance.now();
    const now = Date.now();
    for (const client of this.#parts.clients) client.sweep(tick, now);
  }
}
