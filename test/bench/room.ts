/** A room of the product as a child process, as an operator runs it: the compiled `lanes <room>` with settings by environment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/servers.ts';
import { wait } from './generate/load.ts';
import { nowNs } from './generate/pace.ts';

export interface Room {
  readonly pid: number;
  /** HTTP and WebSocket; of the api alone. */
  readonly port: number;
  stop(): Promise<void>;
}
export interface RoomOptions {
  readonly name: 'api' | 'projector' | 'notifier' | 'bridge';
  readonly environment: Readonly<Record<string, string>>;
  readonly logDir: string;
  /** More arguments of node itself. */
  readonly nodeArgs?: readonly string[];
}

const READY_MS = 60_000;
const STOP_MS = 20_000;
export const MAIN = fileURLToPath(new URL('../../services/cli/main.js', import.meta.url));

/** Starts it without waiting for anything. */
export async function spawnRoom({ name, environment, logDir, nodeArgs = [] }: RoomOptions) {
  const port = await freePort();
  const log = join(logDir, `${name}-${port}.log`);
  const output = openSync(log, 'a', 0o600);
  const startedNs = nowNs();
  const child = spawn(process.execPath, [...nodeArgs, MAIN, name], {
    // The channel tells the room when we are gone.
    stdio: ['ignore', output, output, 'ipc'],
    env: { ...environment, LANES_PORT: String(port), LANES_ADMIN_PORT: '0', LANES_BRIDGE_PORT: '0' },
  });
  closeSync(output);
  const room: Room = { pid: child.pid ?? 0, port, stop: () => end(child) };
  return { child, log, room, startedNs };
}

/** Settles when the room says that it is ready. */
export async function startRoom(options: RoomOptions): Promise<Room> {
  const { child, log, room } = await spawnRoom(options);
  let ready = false;
  child.on('message', (message) => {
    ready ||= message === 'ready';
  });
  const until = Date.now() + READY_MS;
  while (!ready) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (ended || Date.now() > until) {
      await room.stop();
      const tail = readFileSync(log, 'utf8').slice(-2000);
      throw new Error(`${options.name} ${ended ? 'ended at its start' : 'is not ready'}: ${tail}`);
    }
    await wait(5);
  }
  return room;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(kill);
}

/** The text at a URL of this machine. */
export function readHttp(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, path, host: '127.0.0.1' }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
