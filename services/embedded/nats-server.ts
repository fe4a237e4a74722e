/** Runs a nats-server of our own: loopback, JetStream in `LANES_DATA/nats`, two users with passwords that we make. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { ConfigError, type Settings } from '../config.ts';
import type { Runtime } from './data-dir.ts';
import { pathsOf, readSecret, writePrivate } from './data-dir.ts';
import { claimPort, type Exit, readLogTail, startProcess, unlessStopped } from './process.ts';

export const NATS = 'nats-server';
const HOST = '127.0.0.1';
const READY_MS = 60_000;
const STOP_MS = 10_000;
/** Twice what the streams may hold, and never less than it held before: the streams' own `max_bytes` are the limits. */
const FILE_STORE_BYTES = 2 ** 50;

export type NatsServer = {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
};
export type NatsOptions = Pick<Settings, 'dataDir' | 'natsPort' | 'fsync'> & { readonly binary: string };

/** The addresses of the server that these settings start; its passwords are made at the first call. */
export function natsRuntimeOf({
  dataDir,
  natsPort,
}: Pick<Settings, 'dataDir' | 'natsPort'>): Required<Pick<Runtime, 'nats' | 'natsSys'>> {
  const servers = [`nats://${HOST}:${natsPort}`];
  return {
    nats: { servers, user: 'lanes', password: readSecret(dataDir, 'nats-password'), credsFile: null },
    natsSys: { user: 'sys', password: readSecret(dataDir, 'nats-sys-password') },
  };
}

/** Starts it and settles when JetStream answers, that is, when every stream has been recovered. Its owner stops it. */
export async function startNatsServer(options: NatsOptions, stopping?: AbortSignal): Promise<NatsServer> {
  const { binary, dataDir, natsPort: port } = options;
  await claimPort(port, HOST, NATS, 'LANES_NATS_PORT');
  const config = join(pathsOf(dataDir).run, 'nats-server.conf');
  writePrivate(config, configOf(options));
  const running = await startProcess({ name: NATS, command: binary, args: ['-c', config], dataDir, output: 'log' });
  const { user, password } = natsRuntimeOf(options).nats;
  const ended = running.exited.then((exit) => {
    throw natsErrorOf(dataDir, exit);
  });
  ended.catch(() => undefined);
  try {
    const over = new AbortController();
    running.exited.then(() => over.abort());
    const ready = untilJetStream(port, user ?? '', password ?? '', over.signal);
    await unlessStopped(Promise.race([ready, ended]), stopping);
  } catch (error) {
    await running.stop(STOP_MS);
    throw error;
  }
  return { pid: running.pid, port, exited: running.exited, stop: () => running.stop(STOP_MS) };
}

function configOf({ dataDir, natsPort, fsync }: NatsOptions): string {
  const { nats, natsSys } = natsRuntimeOf({ dataDir, natsPort });
  const quoted = JSON.stringify;
  return `# Written at each start; changes are lost.
server_name: lanes
listen: ${quoted(`${HOST}:${natsPort}`)}
max_payload: 2MB
max_pending: 64MB
max_connections: 10000
max_subscriptions: 0
write_deadline: "10s"
jetstream {
  store_dir: ${quoted(pathsOf(dataDir).nats)}
  max_memory_store: 256MB
  max_file_store: ${FILE_STORE_BYTES}
${fsync === 'always' ? '  sync_interval: always\n' : ''}}
accounts {
  LANES { jetstream: enabled, users: [ { user: ${quoted(nats.user)}, password: ${quoted(nats.password)} } ] }
  SYS { users: [ { user: ${quoted(natsSys?.user)}, password: ${quoted(natsSys?.password)} } ] }
}
system_account: SYS
`;
}

function natsErrorOf(dataDir: string, exit: Exit): Error {
  const tail = readLogTail(dataDir, NATS);
  if (/no space left|insufficient storage/i.test(tail))
    return new ConfigError(
      `the disk of ${dataDir} is full, nats-server cannot start: make room or set LANES_DATA to another disk`,
    );
  if (/permission denied/i.test(tail))
    return new ConfigError(
      `nats-server has no right to write ${dataDir}: make it writable or set LANES_DATA to another folder`,
    );
  if (/address already in use/i.test(tail))
    return new ConfigError('the port of nats-server is taken: set LANES_NATS_PORT to a free port');
  const last = tail.trim().split('\n').at(-1) ?? '';
  return new Error(`nats-server ended at its start (${exit.signal ?? exit.code}): ${last}`);
}

async function untilJetStream(port: number, user: string, password: string, over: AbortSignal): Promise<void> {
  const until = Date.now() + READY_MS;
  for (;;) {
    const answer = await askJetStream(port, user, password).catch((error: Error) => error.message);
    if (answer === 'ready' || over.aborted) return;
    if (Date.now() > until) throw new Error(`nats-server is not ready after ${READY_MS / 1000} s: ${answer}`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}

/** One request for JetStream's account information, spoken by hand: a start must not wait for a client library to load. */
function askJetStream(port: number, user: string, password: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, HOST);
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(1000, () => fail(new Error('no answer')));
    socket.once('error', fail);
    let heard = '';
    let asked = false;
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      if (!asked && heard.startsWith('INFO ') && heard.includes('\r\n')) {
        asked = true;
        const who = JSON.stringify({ user, pass: password, verbose: false, pedantic: false, headers: false });
        socket.write(`CONNECT ${who}\r\nSUB _INBOX.ready 1\r\nPUB $JS.API.INFO _INBOX.ready 0\r\n\r\n`);
      }
      if (heard.includes('-ERR')) fail(new Error(heard.slice(heard.indexOf('-ERR'))));
      if (/MSG _INBOX\.ready 1 \d+\r\n.*\r\n/.test(heard)) {
        const error = /"error":\{[^}]*\}/.exec(heard);
        if (error !== null) return fail(new Error(error[0]));
        socket.destroy();
        resolve('ready');
      }
    });
  });
}
