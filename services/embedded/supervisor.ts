/**
 * Everything on one machine: the servers that no setting points at, and each room as a process of its own. Started and
 * stopped in order: servers before rooms, rooms before servers.
 */
import { type Config, ConfigError, environmentOf, type Settings } from '../config.ts';
import type { Logger } from '../logger.ts';
import { EXIT_CONFIG, type Running } from '../run.ts';
import { openConfig, openDataDir, type Runtime, removeRuntime, writeRuntime } from './data-dir.ts';
import { findServer } from './find.ts';
import { type Keeper, type Kept, keepRunning } from './keep.ts';
import { lockDataDir } from './lock.ts';
import { MONGOD, mongoRuntimeOf, startMongod } from './mongod.ts';
import { chooseListeners, NATS, type NatsListeners, natsRuntimeOf, startNatsServer } from './nats-server.ts';
import { type Exit, endOrphan, startProcess, unlessStopped } from './process.ts';
import { roomEnvironmentOf } from './room-environment.ts';
import { watchWrites } from './write-faults.ts';

/** A room drains for 15 s at most, by itself. */
const ROOM_STOP_MS = 20_000;
const ROOM_ORPHAN_MS = 5000;

/** A room: its name, and the command that runs it in the foreground. */
export type RoomCommand = { readonly name: string; readonly command: string; readonly args: readonly string[] };
export type Supervised = Running & { readonly config: Config };

/** `stopping` ends what is under way; `failing` is how one failure ends the others. */
type Starting = { readonly log: Logger; readonly stopping: AbortSignal; readonly failing: AbortController };

export async function startInstallation(options: {
  readonly settings: Settings;
  readonly rooms: readonly RoomCommand[];
  readonly log: Logger;
  /** A line for the people at the terminal. */
  readonly print: (line: string) => void;
  /** Ends a start that is under way: it rejects, and leaves nothing running. */
  readonly stopping: AbortSignal;
}): Promise<Supervised> {
  const { settings, rooms, log, print } = options;
  const failing = new AbortController();
  const stopping = AbortSignal.any([options.stopping, failing.signal]);
  const { dataDir } = settings;
  openDataDir(dataDir);
  const unlock = lockDataDir(dataDir);
  const servers: Keeper[] = [];
  const running: Keeper[] = [];
  const stop = async () => {
    await Promise.all(running.map((room) => room.stop()));
    await Promise.all(servers.map((server) => server.stop()));
    removeRuntime(dataDir);
    unlock();
  };
  try {
    await endOrphans(dataDir, [...rooms.map(({ name }) => name), NATS, MONGOD], print);
    warn(settings, print);
    const listeners = settings.nats === null ? await chooseListeners(settings, print) : { mqttPort: 0, wsPort: 0 };
    writeRuntime(dataDir, runtimeOf(settings, listeners));
    const config = openConfig(settings);
    const { nats, mongod } = startServers({ ...settings, listeners }, { servers, log, print, stopping });
    // Rooms need NATS from the beginning; MongoDB, which takes longer to start, may come after them.
    const started = nats.then(() => startRooms(config, rooms, { running, log, stopping, failing }));
    await allOrFirstFailure([mongod, started], failing);
    return { config, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function endOrphans(dataDir: string, names: readonly string[], print: (line: string) => void): Promise<void> {
  const ended = names.map(async (name) => {
    const pid = await endOrphan(dataDir, name, name === NATS || name === MONGOD ? 15_000 : ROOM_ORPHAN_MS);
    if (pid !== undefined) print(`${name} (process ${pid}) was left over from a start that was killed; it is ended`);
  });
  await Promise.all(ended);
}

function warn({ fsync, nats }: Settings, print: (line: string) => void): void {
  if (nats === null && fsync === 'default')
    print(
      'LANES_FSYNC=default: a power cut can lose up to 2 minutes of accepted messages; the default, always, loses none',
    );
}

/** What this installation runs itself. */
function runtimeOf(settings: Settings, listeners: NatsListeners): Runtime {
  return {
    ...(settings.nats === null ? natsRuntimeOf(settings, listeners) : {}),
    ...(settings.mongo === null ? { mongo: mongoRuntimeOf(settings) } : {}),
  };
}

/** Both at once; each keeper is in `servers` as soon as it runs, so that a failing start ends what it began. */
function startServers(
  settings: Settings & { readonly listeners: NatsListeners },
  into: Omit<Starting, 'failing'> & { servers: Keeper[]; print: (line: string) => void },
): { readonly nats: Promise<void>; readonly mongod: Promise<void> } {
  const { servers, log, print, stopping } = into;
  type Start = (binary: string, stopping: AbortSignal) => Promise<Kept>;
  const keep = async (name: 'nats-server' | 'mongod', start: Start) => {
    const found = findServer(name, { cacheDir: settings.cacheDir, print });
    const { binary, version, from } = await unlessStopped(found, stopping);
    servers.push(await keepRunning(name, (either) => start(binary, either), log, stopping));
    log.info({ process: name, version: version.join('.'), from }, `${name} is ready`);
  };
  const elsewhere = Promise.resolve();
  return {
    nats:
      settings.nats === null
        ? keep(NATS, async (binary, either) => {
            const server = await startNatsServer({ ...settings, binary }, either);
            watchWrites({ dataDir: settings.dataDir, name: NATS, ended: server.exited, end: server.stop, log });
            return server;
          })
        : elsewhere,
    mongod:
      settings.mongo === null
        ? keep(MONGOD, (binary, either) => startMongod({ ...settings, binary }, either))
        : elsewhere,
  };
}

async function startRooms(
  config: Config,
  rooms: readonly RoomCommand[],
  into: Starting & { running: Keeper[] },
): Promise<void> {
  const { running, log, stopping } = into;
  const environment = environmentOf(config);
  const start = async ({ name, command, args }: RoomCommand, either: AbortSignal): Promise<Kept> => {
    const child = await startProcess({
      ...{ name, command, args, dataDir: config.dataDir, output: 'inherit' },
      environment: roomEnvironmentOf(name, environment),
    });
    const ready = child.ready.catch((exit: Exit) => {
      if (exit.code === EXIT_CONFIG) throw new ConfigError(`${name} cannot start with these settings`);
      throw new Error(`${name} ended at its start (${exit.signal ?? exit.code})`);
    });
    try {
      await unlessStopped(ready, either);
    } catch (error) {
      await child.stop(ROOM_STOP_MS);
      throw error;
    }
    return { pid: child.pid, exited: child.exited, stop: () => child.stop(ROOM_STOP_MS) };
  };
  const starts = rooms.map(async (room) => {
    running.push(await keepRunning(room.name, (either) => start(room, either), log, stopping));
  });
  await allOrFirstFailure(starts, into.failing);
}

/** The first failure ends the other starts; all are waited for: nothing may start behind the back of a stop. */
async function allOrFirstFailure(starts: readonly Promise<void>[], failing: AbortController): Promise<void> {
  let first: { readonly error: unknown } | undefined;
  const settled = starts.map((start) =>
    start.catch((error) => {
      first ??= { error };
      failing.abort(error);
    }),
  );
  await Promise.all(settled);
  if (first !== undefined) throw (first as { readonly error: unknown }).error;
}
