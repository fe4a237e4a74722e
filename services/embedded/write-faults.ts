/**
 * A JetStream stream that could not write once (a full disk) takes nothing more until its server is started again, also
 * when there is room: appends then time out for ever. This sees it in the server's log, says it, and ends the server, which
 * its keeper starts again, as soon as there is room.
 */
import { closeSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import type { Logger } from '../logger.ts';
import { logFileOf } from './process.ts';

const LOOK_EVERY_MS = 2000;
const ROOM_BYTES = 64 * 1024 * 1024;
const READ_BYTES_MAX = 256 * 1024;
const FAULT = /critical write error/i;

/** Watches what `name` logs from now on, until `ended` settles. `end` is called once, when there is room again. */
export function watchWrites(options: {
  readonly dataDir: string;
  readonly name: string;
  readonly ended: Promise<unknown>;
  readonly end: () => Promise<void>;
  readonly log: Logger;
}): void {
  const { dataDir, name, ended, end, log } = options;
  const path = logFileOf(dataDir, name);
  let from = statSync(path).size;
  let broken = false;
  const look = () => {
    const news = readFrom(path, from);
    from += news.length;
    if (!broken && FAULT.test(news.toString('latin1'))) {
      broken = true;
      log.error(
        { process: name, dataDir },
        `${name} cannot write: the disk of ${dataDir} is full. Make room; it is started again when there is`,
      );
    }
    if (!broken) return;
    const { bavail, bsize } = statfsSync(dataDir);
    if (bavail * bsize < ROOM_BYTES) return;
    clearInterval(timer);
    void end();
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  void ended.then(() => clearInterval(timer));
}

/** At most 256 KiB at a time; the rest comes at the next look. Empty where there is nothing new, or no such file. */
function readFrom(path: string, from: number): Buffer {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const bytes = Math.min(READ_BYTES_MAX, size - from);
  if (bytes <= 0) return Buffer.alloc(0);
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(file, buffer, 0, bytes, from));
  } finally {
    closeSync(file);
  }
}
