/**
 * A power cut as a store with `LANES_FSYNC=default` has it: nats-server ends, and what it had not written to the disk is gone. Which
 * part that is, the test says: what came after `remember`.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestServers } from './servers.ts';

export interface PowerCut {
  /** What is stored now outlives the cut. The server is down meanwhile. */
  remember(): Promise<void>;
  /** Ends the server, and loses what came since. It stays down until `restart`. */
  cut(): Promise<void>;
  restart(): Promise<void>;
}

export function powerCutOf({ nats, dir }: TestServers): PowerCut {
  const store = join(dir, 'nats');
  const copy = join(dir, 'nats-before');
  const replace = (from: string, to: string): void => {
    rmSync(to, { recursive: true, force: true });
    cpSync(from, to, { recursive: true, preserveTimestamps: true });
  };
  return {
    remember: async () => {
      await nats.stop();
      replace(store, copy);
      await nats.restart();
    },
    cut: async () => {
      await nats.kill9();
      replace(copy, store);
    },
    restart: () => nats.restart(),
  };
}
