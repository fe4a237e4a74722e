/**
 * Child processes that outlive nobody: each leaves a pid file while it runs, so that the next start can find and end what a
 * killed supervisor left behind. A pid file is believed only if the process is still the same one (its start time says so).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { portErrorOf } from '../port-error.ts';
import { pathsOf, writePrivate } from './data-dir.ts';

const LOG_BYTES_MAX = 10 * 1024 * 1024;

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };
export type RunningProcess = {
  readonly pid: number;
  /** Settles when the process has ended, never rejects. */
  readonly exited: Promise<Exit>;
  /** Settles when it says so over its channel (`output: 'inherit'`); rejects with its `Exit` if it ends before. */
  readonly ready: Promise<void>;
  /** Asks it to end, kills it after `graceMs`; settles when it has ended. */
  stop(graceMs: number): Promise<void>;
};
export type ProcessSpec = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly dataDir: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** `log`: both outputs go to `log/<name>.log`. `inherit`: to ours, and a channel tells the child when we are gone. */
  readonly output: 'log' | 'inherit';
};

/**
 * Starts a process in a group of its own: a Ctrl-C in the terminal reaches only us, and we end the children in order.
 * Rejects where the command cannot be run.
 */
export function startProcess(spec: ProcessSpec): Promise<RunningProcess> {
  const log = spec.output === 'log' ? openLog(spec.dataDir, spec.name) : undefined;
  const child = spawn(spec.command, spec.args, {
    detached: true,
    stdio: log === undefined ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['ignore', log, log],
    ...(spec.environment === undefined ? {} : { env: spec.environment }),
  });
  if (log !== undefined) closeSync(log);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => resolve(runningOf(child, spec)));
  });
}

function runningOf(child: ChildProcess, { dataDir, name }: ProcessSpec): RunningProcess {
  const pid = child.pid as number;
  writePidFile(dataDir, name, pid);
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      rmSync(pidFileOf(dataDir, name), { force: true });
      resolve({ code, signal });
    });
  });
  const stop = async (graceMs: number) => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await exited;
    clearTimeout(timer);
  };
  const ready = new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    exited.then(reject);
  });
  ready.catch(() => undefined);
  return { pid, exited, ready, stop };
}

export const logFileOf = (dataDir: string, name: string): string => join(pathsOf(dataDir).log, `${name}.log`);

/** One old log is kept. */
function openLog(dataDir: string, name: string): number {
  const path = logFileOf(dataDir, name);
  const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0 };
  if (size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

/** What a server said last, to explain why it ended. */
export function readLogTail(dataDir: string, name: string, bytes = 16_384): string {
  try {
    return readFileSync(logFileOf(dataDir, name), 'utf8').slice(-bytes);
  } catch {
    return '';
  }
}

const pidFileOf = (dataDir: string, name: string): string => join(pathsOf(dataDir).run, `${name}.pid`);

type PidFile = { readonly pid: number; readonly identity: string };

function writePidFile(dataDir: string, name: string, pid: number): void {
  writePrivate(pidFileOf(dataDir, name), JSON.stringify({ pid, identity: identityOf(pid) ?? '' }));
}

/**
 * Distinguishes a process from a later one with the same pid: the time it was started, in ticks of this boot.
 * undefined: there is no such process (or only its remains).
 */
export function identityOf(pid: number): string | undefined {
  if (process.platform !== 'linux') return startTimeOf(pid);
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

function startTimeOf(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The pid in that file if that very process still runs. */
export function readLivePid(dataDir: string, name: string): number | undefined {
  let file: PidFile;
  try {
    file = JSON.parse(readFileSync(pidFileOf(dataDir, name), 'utf8')) as PidFile;
  } catch {
    return undefined;
  }
  return file.identity !== '' && identityOf(file.pid) === file.identity ? file.pid : undefined;
}

/**
 * Ends what an earlier supervisor left running under that name. Answers its pid, or undefined where there was none.
 * Settles when the process is gone; a stubborn one is killed after `graceMs`.
 */
export async function endOrphan(dataDir: string, name: string, graceMs = 10_000): Promise<number | undefined> {
  const pid = readLivePid(dataDir, name);
  if (pid !== undefined) {
    const identity = identityOf(pid);
    const signal = (which: NodeJS.Signals) => {
      if (identityOf(pid) === identity) process.kill(pid, which);
    };
    signal('SIGTERM');
    const killAt = Date.now() + graceMs;
    let killed = false;
    while (identity !== undefined && identityOf(pid) === identity) {
      if (!killed && Date.now() > killAt) {
        signal('SIGKILL');
        killed = true;
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }
  rmSync(pidFileOf(dataDir, name), { force: true });
  return pid;
}

/** Says at once, and by name, that a port is taken; the server itself would say it in its log only. */
export async function claimPort(port: number, host: string, owner: string, setting: string): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  } catch (error) {
    throw portErrorOf(error, port, owner, setting) ?? error;
  } finally {
    await new Promise((closed) => server.close(closed));
  }
}

/** What `started` comes to, unless `stopping` is first: then it rejects with its reason. */
export function unlessStopped<T>(started: Promise<T>, stopping: AbortSignal | undefined): Promise<T> {
  if (stopping === undefined) return started;
  return new Promise((resolve, reject) => {
    const abort = () => reject(stopping.reason);
    if (stopping.aborted) abort();
    stopping.addEventListener('abort', abort, { once: true });
    started.then(resolve, reject).finally(() => stopping.removeEventListener('abort', abort));
  });
}
