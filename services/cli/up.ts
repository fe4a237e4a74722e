/** `npm start`: servers and rooms on one machine, watched over by this process. */
import { fileURLToPath } from 'node:url';
import { type Config, readSettings, type Settings } from '../config.ts';
import { createLogger } from '../logger.ts';
import { adminPortOf } from '../metrics.ts';
import { run } from '../run.ts';
import { reachable } from './check-rooms.ts';
import { type Command, complain, say } from './command.ts';

type RoomName = 'api' | 'projector' | 'notifier' | 'bridge' | 'irc';
/** Rooms drain for 15 s at most, then the servers stop. */
const DRAIN_MS = 45_000;

export const command: Command = {
  usage: `usage: lanes up

Runs everything on this machine: nats-server and mongod (found on PATH or downloaded once, unless LANES_NATS_URL and
LANES_MONGO_URL point at servers of your own) and every room as a process of its own. What dies is started again.
Ctrl-C drains and stops it all.`,
  options: {},
  words: [0, 0],
  run: async () => {
    const started = performance.now();
    const settings = readSettings();
    const log = createLogger(settings, 'up');
    const main = fileURLToPath(new URL('main.js', import.meta.url));
    const names = roomsOf(settings);
    const rooms = names.map((name) => ({ name, command: process.execPath, args: [main, name] }));
    if (!names.includes('bridge'))
      complain('the bridge is off: LANES_NATS_BRIDGE_USER or LANES_NATS_CALLOUT_SEED_FILE is not set (docs/bridge.md)');
    return run(
      async (stopping) => {
        const { startInstallation } = await import('../embedded/supervisor.ts');
        const installation = await startInstallation({ settings, rooms, log, print: complain, stopping });
        say(welcomeOf(installation.config, names, (performance.now() - started) / 1000));
        return installation;
      },
      log,
      DRAIN_MS,
    );
  },
};

/** On servers of somebody's own the bridge needs a user and an issuer there; IRC is for whoever asks for it. */
function roomsOf({ nats, natsBridge, natsCalloutSeedFile, ircPort }: Settings): readonly RoomName[] {
  const hasDoors = nats === null || (natsBridge !== null && natsCalloutSeedFile !== null);
  return [
    ...(['api', 'projector', 'notifier'] as const),
    ...(hasDoors ? (['bridge'] as const) : []),
    ...(ircPort === null ? [] : (['irc'] as const)),
  ];
}

function welcomeOf(settings: Config, rooms: readonly RoomName[], seconds: number): string {
  const host = settings.host === '0.0.0.0' || settings.host === '::' ? 'localhost' : settings.host;
  const graphql = `http://${host}:${settings.port}/graphql`;
  const token =
    settings.environment === 'development'
      ? 'npm run -s lanes -- token alice'
      : 'from whoever signs for LANES_JWT_SECRET or LANES_JWKS_URL';
  const figures = rooms
    .map((room) => `http://${reachable(settings.adminHost)}:${adminPortOf(settings, room)}/metrics`)
    .join('  ');
  return [
    '',
    `Lanes is ready after ${seconds.toFixed(1)} s.`,
    settings.graphiql ? `  GraphiQL   ${graphql}` : `  GraphQL    ${graphql} (GraphiQL: LANES_GRAPHIQL=true)`,
    `  a token    ${token}`,
    ...(rooms.includes('bridge')
      ? [`  NATS       ${doorsOf(settings)} (for third parties: npm run -s lanes -- integration add <app>)`]
      : []),
    ...(rooms.includes('irc') ? [`  IRC        irc://${host}:${settings.ircPort}`] : []),
    `  figures    ${figures}`,
    `  data       ${settings.dataDir}`,
    '  Ctrl-C drains and stops everything.',
    '',
  ].join('\n');
}

const doorsOf = ({ natsPublic: { nats, webSocket, mqtt } }: Config): string =>
  [nats, webSocket, mqtt].filter((address) => address !== null).join('  ');
