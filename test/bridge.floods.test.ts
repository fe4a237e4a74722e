/**
 * Two integrations with real credentials on a whole bridge: one floods in each way that its rights leave it, from a process of its
 * own; the other's commands, and its requests to JetStream, are all answered meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import type { Credentials } from '../bridge/credentials.ts';
import { start } from '../bridge/main.ts';
import { appCommand, appStream } from '../schema/subjects.ts';
import type { Running } from '../services/run.ts';
import { app } from './support/bridging.ts';
import { newKey } from './support/commanding.ts';
import { type Doors, enterByNats, silent, startDoors } from './support/doors.ts';
import type { Flood } from './support/flood-process.ts';
import { until } from './support/scribe.ts';

const CHILD = fileURLToPath(new URL('./support/flood-process.ts', import.meta.url));
const COMMANDS = 40;
const ROWS = 4;
const ANSWER_MS = 15_000;

let doors: Doors;
let bridge: Running;
let loud: Credentials;
let quiet: Credentials;
let connection: NatsConnection;
let conversationId: string;

beforeAll(async () => {
  doors = await startDoors({ callout: false });
  const settings = { LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0', LANES_BRIDGE_PORT: '0' };
  bridge = await start(doors.servers.config(settings), silent);
  quiet = await doors.enrol();
}, 60_000);
beforeEach(async () => {
  loud = await doors.enrol();
  connection = await enterByNats(quiet, { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  const { accepted } = await until(
    () => ask('create', { members: [], clientKey: newKey() }).catch(() => undefined),
    (answer) => answer?.accepted !== undefined,
  );
  conversationId = accepted.conversationId;
  return () => connection.close();
});
afterAll(async () => {
  await bridge?.stop();
  await doors?.stop();
});

// biome-ignore lint/suspicious/noExplicitAny: replies of every form
const ask = async (verb: string, body: object): Promise<any> => {
  const options = { timeout: ANSWER_MS };
  return (await connection.request(appCommand(app(quiet.app), verb), JSON.stringify(body), options)).json();
};

/** Floods while `during` runs. */
async function flooded<T>(what: Partial<Flood> & Pick<Flood, 'subject'>, during: () => Promise<T>): Promise<T> {
  const { url, user, password, inboxPrefix } = loud.nats;
  const usual = { url, user, password, connections: 4, reply: `${inboxPrefix}.x`, body: '', filled: 0 };
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', CHILD], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, FLOOD: JSON.stringify({ ...usual, ...what }) },
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    await new Promise<void>((resolve) => child.once('message', () => resolve()));
    return await during();
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** Of each command the time until its answer; fails where one has none, or where a question to JetStream has none. */
async function latencies(): Promise<number[]> {
  const all: number[] = [];
  const stream = `$JS.API.STREAM.INFO.${appStream(app(quiet.app))}`;
  const asking = connection.request(stream, '', { timeout: ANSWER_MS });
  let lost = 0;
  const row = async (): Promise<void> => {
    for (let i = 0; i < COMMANDS / ROWS; i++) {
      const startedAt = performance.now();
      const command = { conversationId, clientKey: newKey(), text: 'still here' };
      // As every client does that has no answer: the same again. The connection that had it may have been cut off.
      const again = (): Promise<unknown> => {
        lost++;
        return ask('send', command);
      };
      expect(await ask('send', command).catch(again)).toHaveProperty('accepted');
      all.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: ROWS }, row));
  // Of a machine that has no time for the bridge one connection is cut off, with what was in it; not one after the other.
  expect(lost).toBeLessThanOrEqual(ROWS);
  expect((await asking).json()).toMatchObject({ config: { name: appStream(app(quiet.app)) } });
  return all.sort((a, b) => a - b);
}

const told = (all: readonly number[]): string =>
  [0.5, 0.9, 1].map((share) => `${Math.round(all[Math.ceil(all.length * share) - 1] ?? 0)} ms`).join(' / ');

async function answeredWhile({ annotate }: TestContext, flood: Partial<Flood> & Pick<Flood, 'subject'>): Promise<void> {
  const alone = await latencies();
  const during = await flooded(flood, latencies);
  await annotate(`median, nine of ten, all answered within: alone ${told(alone)}; flooded ${told(during)}`);
  expect(during).toHaveLength(COMMANDS);
}

const message = JSON.stringify({ conversationId: 'c1', clientKey: 'k', text: '…' });

describe('while another integration floods', { timeout: 120_000 }, () => {
  it('discovery, with answers that go to nobody', (context) =>
    answeredWhile(context, { subject: '$SRV.INFO.lanes', reply: '_INBOX.nobody' }));
  it('discovery, with answers to the one that is quiet', (context) =>
    answeredWhile(context, { subject: '$SRV.PING', reply: `${quiet.nats.inboxPrefix}.x` }));
  it('commands of 1 MB', (context) =>
    answeredWhile(context, { subject: appCommand(app(loud.app), 'send'), filled: 1_000_000, body: message }));
  it('the largest commands that there may be', (context) =>
    answeredWhile(context, { subject: appCommand(app(loud.app), 'send'), filled: 260_000, body: message }));
  it('small commands', (context) =>
    answeredWhile(context, { subject: appCommand(app(loud.app), 'send'), filled: 1, body: message }));
  it('commands whose answers go elsewhere', (context) =>
    answeredWhile(context, {
      ...{ subject: appCommand(app(loud.app), 'send'), filled: 20_000, body: message },
      reply: '_INBOX.nobody',
    }));
  it('requests to JetStream', (context) =>
    answeredWhile(context, {
      ...{ subject: `$JS.API.STREAM.INFO.${appStream(app(loud.app))}`, body: '{"subjects_filter":">"}' },
    }));
  it('acknowledgements', (context) =>
    answeredWhile(context, { subject: `$JS.ACK.${appStream(app(loud.app))}.c.1.1.1.1.1` }));
});
