/** One supervisor for one `LANES_DATA`. */
import { linkSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config.ts';
import { pathsOf, writePrivate } from './data-dir.ts';
import { identityOf, readLivePid } from './process.ts';

const NAME = 'supervisor';

/**
 * Takes `LANES_DATA` for this process and answers what gives it back. Throws a `ConfigError` while another process has it;
 * what a killed one held is taken over.
 */
export function lockDataDir(dataDir: string): () => void {
  const path = join(pathsOf(dataDir).run, `${NAME}.pid`);
  const own = `${path}.${process.pid}`;
  const content = JSON.stringify({ pid: process.pid, identity: identityOf(process.pid) });
  writePrivate(own, content);
  try {
    while (!linked(own, path)) {
      const seen = contentOf(path);
      const pid = readLivePid(dataDir, NAME);
      if (pid !== undefined)
        throw new ConfigError(
          `Lanes already runs on ${dataDir} (process ${pid}): stop it, or set LANES_DATA and the ports to others`,
        );
      takeAway(path, seen);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => {
    if (contentOf(path) === content) rmSync(path, { force: true });
  };
}

/** Removes the dead lock that was seen, and no newer one that somebody made since. */
function takeAway(path: string, seen: string): void {
  const away = `${path}.dead-${process.pid}`;
  try {
    renameSync(path, away);
  } catch {
    return;
  }
  if (contentOf(away) !== seen) linked(away, path);
  rmSync(away, { force: true });
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
