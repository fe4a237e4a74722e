/**
 * The real processes: nats-server, mongod, two of the api, one projector, two notifiers. Each can be killed, stopped for a while, and
 * started again. Beside them, never killed, the providers of pushes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adminPortOf } from '../../services/metrics.ts';
import { freePort, startServers, type TestServer, type TestServers } from '../support/servers.ts';
import { pause } from './commands.ts';
import type { Door } from './doors.ts';
import { Gateways } from './gateways.ts';
import type { Recorder } from './recorder.ts';

export const ROOMS = ['api-0', 'api-1', 'projector', 'notifier-0', 'notifier-1'] as const;
export const TARGETS = [...ROOMS, 'nats-server', 'mongod'] as const;
export type Target = (typeof TARGETS)[number];
type RoomName = (typeof ROOMS)[number];
/** Without one of these, pushes wait. */
export const PUSHING: readonly Target[] = ['notifier-0', 'notifier-1', 'nats-server', 'mongod'];

/** The compiled command line, as the scripts run it. */
const MAIN = fileURLToPath(new URL('../../services/cli/main.js', import.meta.url));
export const GRACE_MS = 2_000;
const SECRET = 'the fault suite signs its tokens with this';
const READY_MS = 60_000;
const ASK_EVERY_MS = 50;
const AGAIN_MS = 500;
const LOG_TAIL = 2_000;

interface Part {
  kill(): Promise<void>;
  start(): Promise<void>;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  isReady(): Promise<boolean>;
}

export class World {
  readonly secret = SECRET;
  readonly doors: readonly Door[];
  readonly servers: TestServers;
  readonly gateways: Gateways;
  readonly #parts: ReadonlyMap<Target, Part>;
  readonly #rooms: readonly Room[];

  constructor(servers: TestServers, gateways: Gateways, rooms: readonly Room[], doors: readonly Door[]) {
    this.servers = servers;
    this.gateways = gateways;
    this.doors = doors;
    this.#rooms = rooms;
    this.#parts = new Map<Target, Part>([
      ...rooms.map((room) => [room.name, room] as const),
      ['nats-server', serverPart(servers.nats)],
      ['mongod', serverPart(servers.mongo)],
    ]);
  }

  kill(target: Target): Promise<void> {
    return this.#part(target).kill();
  }
  /** For the servers it settles when they answer; a room is only begun. */
  start(target: Target): Promise<void> {
    return this.#part(target).start();
  }
  freeze(target: Target): void {
    this.#part(target).signal('SIGSTOP');
  }
  thaw(target: Target): void {
    this.#part(target).signal('SIGCONT');
  }

  /** Settles when every part says that it is ready. */
  async ready(): Promise<void> {
    for (const [name, part] of this.#parts) await until(`${name} is ready`, READY_MS, () => part.isReady());
  }

  /** Runs a command of the command line to its end. */
  lanes(...args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [MAIN, ...args], { env: this.servers.environment(settingsOf()) });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          output += chunk;
        });
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output }));
    });
  }

  /** Ends everything that was started. */
  async stop(): Promise<void> {
    await Promise.all(this.#rooms.map((room) => room.kill()));
    await this.servers.stop();
    await this.gateways.stop();
  }

  #part(target: Target): Part {
    const part = this.#parts.get(target);
    if (!part) throw new Error(`there is no ${target}`);
    return part;
  }
}

const settingsOf = () => ({
  LANES_JWT_SECRET: SECRET,
  LANES_FSYNC: 'always',
  /** Few, so that lanes share them. */
  LANES_PARTITIONS: '4',
  /** So little that busy senders meet the limit. */
  LANES_SENDS_PER_SECOND: '15',
  LANES_SENDS_BURST: '40',
  LANES_NOTIFY_GRACE_MS: String(GRACE_MS),
  LANES_LOG_LEVEL: 'warn',
});

export async function openWorld(recorder: Recorder): Promise<World> {
  const gateways = await Gateways.open(recorder);
  const servers = await startServers({ fsync: 'always' });
  try {
    const doors: Door[] = [];
    const rooms: Room[] = [];
    for (const name of ROOMS) rooms.push(await prepareRoom(name, { servers, gateways, doors, recorder }));
    const world = new World(servers, gateways, rooms, doors);
    for (const room of rooms) await room.start();
    try {
      await world.ready();
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  } catch (error) {
    await servers.stop();
    await gateways.stop();
    throw error;
  }
}

interface Surroundings {
  readonly servers: TestServers;
  readonly gateways: Gateways;
  readonly doors: Door[];
  readonly recorder: Recorder;
}

/** An api gets a door. */
async function prepareRoom(name: RoomName, { servers, gateways, doors, recorder }: Surroundings): Promise<Room> {
  const command = name.split('-')[0] as 'api' | 'projector' | 'notifier';
  const [port, adminPort] = [await freePort(), await freePort()];
  // Each room adds its own offset to the setting.
  const offset = adminPortOf({ adminPort: 1 }, command) - 1;
  const own = { LANES_PORT: String(port), LANES_ADMIN_PORT: String(adminPort - offset) };
  const more = command === 'notifier' ? gateways.settings : {};
  const environment = servers.environment({ ...settingsOf(), ...own, ...more });
  if (command === 'api') doors.push({ name, port });
  const ready = command === 'api' ? `http://127.0.0.1:${port}/readyz` : `http://127.0.0.1:${adminPort}/metrics`;
  return new Room(name, command, environment, ready, join(servers.dir, `${name}.log`), recorder);
}

class Room implements Part {
  readonly name: Target;
  readonly #command: string;
  readonly #environment: Record<string, string>;
  readonly #readyUrl: string;
  readonly #log: string;
  readonly #recorder: Recorder;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();

  constructor(
    name: Target,
    command: string,
    environment: Record<string, string>,
    readyUrl: string,
    log: string,
    recorder: Recorder,
  ) {
    this.name = name;
    this.#command = command;
    this.#environment = environment;
    this.#readyUrl = readyUrl;
    this.#log = log;
    this.#recorder = recorder;
  }

  async start(): Promise<void> {
    if (this.#child) return;
    const log = openSync(this.#log, 'a');
    // The channel is what ends it when this process is gone.
    const child = spawn(process.execPath, [MAIN, this.#command], {
      env: this.#environment,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child = child;
    this.#gone = new Promise((resolve) => {
      child.once('error', () => resolve());
      child.once('exit', (code, signal) => {
        resolve();
        if (this.#child === child) this.#endedByItself(`${signal ?? code}`);
      });
    });
  }

  /** A supervisor would start it again; that it was needed is a finding. */
  #endedByItself(how: string): void {
    this.#child = undefined;
    this.#recorder.surprise(
      this.name,
      `ended by itself with ${how}: …${readFileSync(this.#log, 'utf8').slice(-LOG_TAIL)}`,
    );
    setTimeout(() => void this.start(), AGAIN_MS).unref();
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
    await this.#gone;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  isReady(): Promise<boolean> {
    return new Promise((resolve) => {
      const call = get(this.#readyUrl, { timeout: 2_000 }, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      call.once('timeout', () => call.destroy());
      call.once('error', () => resolve(false));
    });
  }
}

const serverPart = (server: TestServer): Part => ({
  kill: () => server.kill9(),
  start: () => server.restart(),
  signal: (signal) => {
    if (server.pid > 0) process.kill(server.pid, signal);
  },
  isReady: async () => server.pid > 0,
});

/** Throws when the fact has not come after `withinMs`. */
export async function until(fact: string, withinMs: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`after ${withinMs / 1000} s it is still not so that ${fact}`);
    await pause(ASK_EVERY_MS);
  }
}
