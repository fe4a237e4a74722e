/** Runs a nats-server of our own: loopback, JetStream in `LANES_DATA/nats`, users with passwords and keys that we make. */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { newCalloutSeeds, parseCalloutKeys } from '../callout-keys.ts';
import { ConfigError, type Settings } from '../config.ts';
import type { Runtime } from './data-dir.ts';
import { pathsOf, readOrMake, readSecret, secretPathOf, storeBytesOf, writePrivate } from './data-dir.ts';
import { APPS, MQTT, natsConfigOf } from './nats-config.ts';
import { storeLimitsOf } from './nats-store.ts';
import { claimPort, type Exit, readLogTail, startProcess, unlessStopped } from './process.ts';

export const NATS = 'nats-server';
const HOST = '127.0.0.1';
const READY_MS = 60_000;
const STOP_MS = 10_000;
const CALLOUT_SEED = 'nats-callout-seed';
const MQTT_PORT = 1883;
const WS_PORT = 9222;

export type NatsServer = {
  readonly pid: number;
  readonly port: number;
  readonly exited: Promise<Exit>;
  stop(): Promise<void>;
};
/** The listeners for third parties; 0: off. */
export type NatsListeners = { readonly mqttPort: number; readonly wsPort: number };
const NO_LISTENERS: NatsListeners = { mqttPort: 0, wsPort: 0 };
export type NatsOptions = Pick<Settings, 'dataDir' | 'natsPort' | 'fsync' | 'storeBytes'> & {
  readonly binary: string;
  readonly listeners?: NatsListeners;
  /** The server encrypts what it asks the bridge; default: no, both are on this machine. */
  readonly encrypted?: boolean;
};
type NatsRuntime = Required<Pick<Runtime, 'nats' | 'natsSys' | 'natsBridge' | 'natsCalloutSeedFile' | 'natsPublic'>>;

/** The addresses of the server that these settings start; its passwords and seeds are made at the first call. */
export function natsRuntimeOf(
  { dataDir, natsPort }: Pick<Settings, 'dataDir' | 'natsPort'>,
  { mqttPort, wsPort }: NatsListeners = NO_LISTENERS,
): NatsRuntime {
  const servers = [`nats://${HOST}:${natsPort}`];
  readCalloutSeeds(dataDir);
  return {
    nats: { servers, user: 'lanes', password: readSecret(dataDir, 'nats-password'), credsFile: null },
    natsSys: { user: 'sys', password: readSecret(dataDir, 'nats-sys-password') },
    natsBridge: { user: 'bridge', password: readSecret(dataDir, 'nats-bridge-password') },
    natsCalloutSeedFile: secretPathOf(dataDir, CALLOUT_SEED),
    natsPublic: {
      nats: servers.join(','),
      webSocket: wsPort === 0 ? null : `ws://${HOST}:${wsPort}`,
      mqtt: mqttPort === 0 ? null : `mqtt://${HOST}:${mqttPort}`,
    },
  };
}

const readCalloutSeeds = (dataDir: string): string => readOrMake(secretPathOf(dataDir, CALLOUT_SEED), newCalloutSeeds);

/** Which listeners the settings ask for. A usual port that is taken is told and done without; one that was set is an error. */
export async function chooseListeners(
  { natsMqttPort, natsWsPort }: Pick<Settings, 'natsMqttPort' | 'natsWsPort'>,
  print: (line: string) => void,
): Promise<NatsListeners> {
  const choose = async (what: string, setting: string, wanted: number | null, usual: number): Promise<number> => {
    if (wanted === 0) return 0;
    try {
      await claimPort(wanted ?? usual, HOST, what, setting);
    } catch (error) {
      if (wanted !== null) throw error;
      print(`port ${usual} is taken: there is no ${what} listener (set ${setting} to another port, or to 0)`);
      return 0;
    }
    return wanted ?? usual;
  };
  return {
    mqttPort: await choose('MQTT', 'LANES_NATS_MQTT_PORT', natsMqttPort, MQTT_PORT),
    wsPort: await choose('NATS WebSocket', 'LANES_NATS_WS_PORT', natsWsPort, WS_PORT),
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

function configOf({
  dataDir,
  natsPort,
  fsync,
  storeBytes,
  listeners = NO_LISTENERS,
  encrypted = false,
}: NatsOptions): string {
  const { nats, natsSys, natsBridge } = natsRuntimeOf({ dataDir, natsPort });
  const { issuer, curve } = parseCalloutKeys(readCalloutSeeds(dataDir), secretPathOf(dataDir, CALLOUT_SEED));
  return natsConfigOf({
    listen: `${HOST}:${natsPort}`,
    storeDir: pathsOf(dataDir).nats,
    store: storeLimitsOf(pathsOf(dataDir).nats, storeBytesOf({ storeBytes, nats: null, dataDir }), {
      apps: APPS,
      mqtt: MQTT,
    }),
    fsync,
    lanes: { user: nats.user ?? '', password: nats.password ?? '' },
    bridge: natsBridge,
    sys: natsSys ?? { user: '', password: '' },
    issuer: issuer.getPublicKey(),
    curve: encrypted ? curve?.getPublicKey() : undefined,
    mqtt: listeners.mqttPort === 0 ? undefined : `${HOST}:${listeners.mqttPort}`,
    webSocket: listeners.wsPort === 0 ? undefined : `${HOST}:${listeners.wsPort}`,
  });
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
