/** `npm start` in a process of its own, on free ports, with all that it and its rooms write; and the commands beside it. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Environment } from '../../services/config.ts';
import { freePort, freePorts } from './servers.ts';
import { until } from './until.ts';

export interface Installation {
  /** `LANES_DATA`. */
  readonly dir: string;
  readonly environment: Environment;
  /** Both outputs of the supervisor and its rooms so far. */
  readonly said: string;
  /** A process, by the name of its pid file: SIGKILL. Settles when the supervisor has started it again. */
  kill(name: string, meanwhile: () => Promise<unknown>): Promise<void>;
  /** Ends it as Ctrl-C does. */
  stop(): Promise<void>;
}

const BOOTSTRAP = resolve(import.meta.dirname, '..', '..', 'services', 'cli', 'bootstrap.mjs');
const PATIENCE_MS = 60_000;

/** A command of ours, in a process of its own. */
export const lanesProcess = (args: readonly string[], env: Environment) =>
  spawn(process.execPath, [BOOTSTRAP, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });

/** A command, with what it said, whatever became of it. */
export const lanesCommand = (args: readonly string[], env: Environment): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [BOOTSTRAP, ...args], { env }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );

/** Settles when it is ready. */
export async function startInstallation(settings: Environment): Promise<Installation> {
  const dir = mkdtempSync(join(tmpdir(), 'lanes-installation-'));
  const free = ['PORT', 'NATS_PORT', 'NATS_MQTT_PORT', 'MONGO_PORT', 'BRIDGE_PORT', 'IRC_PORT'];
  const ports: Record<string, string> = { LANES_NATS_WS_PORT: '0', LANES_ADMIN_PORT: String(await freePorts(6)) };
  for (const name of free) ports[`LANES_${name}`] = String(await freePort());
  const environment = { ...process.env, ...ports, LANES_DATA: dir, LANES_FSYNC: 'default', ...settings };
  const up = lanesProcess(['up'], environment);
  let said = '';
  for (const output of [up.stdout, up.stderr]) output.on('data', (bytes) => (said += bytes));
  const ended = new Promise((done) => up.once('exit', done));
  const stop = async (): Promise<void> => {
    up.kill('SIGINT');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  await until(
    () => said,
    (all) => all.includes('Lanes is ready') || up.exitCode !== null,
    PATIENCE_MS,
  );
  if (up.exitCode !== null) throw new Error(said);
  return {
    ...{ dir, environment, stop },
    get said() {
      return said;
    },
    kill: async (name, meanwhile) => {
      const { pid } = JSON.parse(readFileSync(join(dir, 'run', `${name}.pid`), 'utf8'));
      const from = said.length;
      process.kill(pid, 'SIGKILL');
      await until(
        () => meanwhile().then(() => said.slice(from)),
        (since) => since.includes(`${name} runs again`),
        PATIENCE_MS,
      );
    },
  };
}
