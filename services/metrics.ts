/**
 * The registry of a room's figures and the small server that shows them. Every figure is defined in the room that owns
 * it; a room calls `createRegistry`, adds its own, and `startAdmin(adminPortOf(config, room), …)`.
 */
import { createServer } from 'node:http';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from './config.ts';
import { portErrorOf } from './port-error.ts';

export type Room = 'api' | 'projector' | 'notifier' | 'bridge' | 'irc';
export type Admin = { readonly port: number; stop(): Promise<void> };

/**
 * Rooms are processes of their own, on one machine each with a port of its own, so far above `LANES_ADMIN_PORT`. The one left out is,
 * by default, the port of webhooks.
 */
const OFFSETS: Readonly<Record<Room, number>> = { api: 0, projector: 1, notifier: 2, bridge: 3, irc: 5 };

const PATHS = ['/metrics', '/healthz', '/readyz'];

/** 0 (any free port) stays 0. */
export const adminPortOf = ({ adminPort }: Pick<Config, 'adminPort'>, room: Room): number =>
  adminPort === 0 ? 0 : adminPort + OFFSETS[room];

/** A registry of its own, with the process's figures (memory, CPU, event loop) in it; every figure carries the room's name. */
export function createRegistry(room: Room): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ room });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/**
 * Serves `GET /metrics` (Prometheus text), `GET /healthz` and `GET /readyz` (503 with what stands still). Rejects with a `ConfigError` naming `LANES_ADMIN_PORT` where
 * the port is taken. Settles when it listens; `stop` settles when it no longer does.
 */
export async function startAdmin(options: {
  readonly host: string;
  readonly port: number;
  readonly registry: Registry;
  /** Undefined, or its reason: nothing keeps this room from being ready. */
  readonly halts?: { readonly reason: string | undefined };
}): Promise<Admin> {
  const { host, port, registry, halts } = options;
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    const reason = path === '/readyz' ? halts?.reason : undefined;
    if (request.method !== 'GET' || !PATHS.includes(path ?? '')) response.writeHead(404).end();
    else if (path !== '/metrics') response.writeHead(reason === undefined ? 200 : 503).end(`${reason ?? 'ok'}\n`);
    if (response.writableEnded) return;
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.requestTimeout = 5000;
  server.maxConnections = 32;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(portErrorOf(error, port, '/metrics', 'LANES_ADMIN_PORT') ?? error));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
