/** The parent's side of a load generator: starts the process, asks it one thing at a time, ends it. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Ask, Protocol } from './generate/serve.ts';

export interface Generator<P extends Protocol> {
  readonly pid: number;
  readonly opened: P['opened'];
  run(job: P['run']): Promise<P['result']>;
  stop(): Promise<void>;
}

const STOP_MS = 10_000;

/** `script` is a path below this folder, without its ending: the process runs the compiled form when we are compiled. */
export async function startGenerator<P extends Protocol>(
  script: string,
  options: P['open'],
  nodeArgs: readonly string[] = [],
): Promise<Generator<P>> {
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const path = fileURLToPath(new URL(`./${script}.${ending}`, import.meta.url));
  const child = fork(path, {
    stdio: ['ignore', nodeArgs.length > 0 ? 'ignore' : 'inherit', nodeArgs.length > 0 ? 'ignore' : 'inherit', 'ipc'],
    serialization: 'advanced',
    execArgv: [...nodeArgs],
  });
  const stop = () => end(child);
  try {
    const opened = (await ask(child, { kind: 'open', with: options })) as P['opened'];
    const run = async (job: P['run']) => (await ask(child, { kind: 'run', with: job })) as P['result'];
    return { pid: child.pid ?? 0, opened, run, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function ask(child: ChildProcess, question: Ask): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const gone = (code: number | null, signal: string | null) => {
      child.off('message', heard);
      reject(new Error(`a load generator ended (${signal ?? code})`));
    };
    const heard = (answer: Answer) => {
      child.off('exit', gone);
      if (answer.ok) resolve(answer.value);
      else reject(new Error(answer.error));
    };
    if (child.exitCode !== null || child.signalCode !== null) return gone(child.exitCode, child.signalCode);
    child.once('message', heard);
    child.once('exit', gone);
    child.send(question);
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ask(child, { kind: 'close' }).catch(() => child.kill('SIGKILL'));
  await exited;
  clearTimeout(kill);
}
