/** An api in a process of its own, with a heap of a given size. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../../services/config.ts';
import type { TestApi } from './api.ts';
import type { TestServers } from './servers.ts';

const CHILD = fileURLToPath(new URL('./api-process.ts', import.meta.url));

export interface SmallApi extends TestApi {
  /** Null while it runs. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Bytes on its heap after a collection. */
  heap(): Promise<number>;
}

/** With the limits of an installation that sets none. Rejects where it does not come up. */
export async function startSmallApi(servers: TestServers, heapMb: number, more: Environment = {}): Promise<SmallApi> {
  const settings = { LANES_PORT: '0', LANES_ADMIN_PORT: '0', ...more };
  const options = [`--max-old-space-size=${heapMb}`, '--expose-gc', '--import', 'tsx'];
  const child = spawn(process.execPath, [...options, CHILD], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: servers.environment(settings),
  });
  const { port, adminPort } = await said<{ port: number; adminPort: number }>(child);
  return {
    config: servers.config(settings),
    port,
    adminPort,
    url: `http://127.0.0.1:${port}/graphql`,
    get exitCode() {
      return child.exitCode;
    },
    get signal() {
      return child.signalCode;
    },
    heap: async () => {
      child.send('heap');
      return (await said<{ heap: number }>(child)).heap;
    },
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

/** Its next message; rejects when it ends instead. */
function said<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the api ended'));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message as T);
    });
  });
}
