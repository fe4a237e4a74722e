/**
 * Who sees and does what as an integration: every verb and every event, for each kind of integration. A verb or an event that has
 * no row in the tables fails here.
 */
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { connect, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Credentials, credentialsOf, newIntegration, newSecret } from '../bridge/credentials.ts';
import { start as startBridge } from '../bridge/main.ts';
import { VERBS } from '../bridge/rights.ts';
import { type AppId, parseAppId } from '../schema/ids.ts';
import { appCommand } from '../schema/subjects.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import { openIntegrations } from '../services/journal/integrations-jetstream.ts';
import { start as startProjector } from '../services/projector/main.ts';
import type { Data } from './support/api.ts';
import { Reader } from './support/bridging.ts';
import { enterByNats, silent } from './support/doors.ts';
import { type Actor, EVENTS, forEach, NEW, OLD, TITLE, Told, tableOf, VERB_ROWS } from './support/rights.ts';
import { startServers, type TestServers } from './support/servers.ts';

const SETTINGS = { LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0', LANES_BRIDGE_PORT: '0' };

let servers: TestServers;
let rooms: readonly { stop(): Promise<unknown> }[] = [];

beforeAll(async () => {
  servers = await startServers({ listeners: true });
  const config = servers.config(SETTINGS);
  rooms = await Promise.all([startProjector(config, silent), startBridge(config, silent)]);
}, 60_000);
afterAll(async () => {
  await Promise.all(rooms.map((room) => room.stop()));
  await servers?.stop();
});

const key = (): string => randomUUID();

describe('by integrations', () => {
  interface App {
    readonly app: AppId;
    readonly connection: NatsConnection;
    readonly credentials: Credentials;
    ask(verb: string, body: unknown): Promise<Data>;
  }
  const told = new Told();
  let integrations: Integrations;
  let apps: Record<Actor, App>;

  beforeAll(async () => {
    integrations = await openIntegrations({ ...servers.config(SETTINGS).nats, name: 'test', log: silent });
    apps = await forEach(async (actor) => {
      const [app, secret] = [parseAppId(actor) as AppId, newSecret()];
      await integrations.put(newIntegration(app, actor === 'admin' ? 'all' : 'member', secret, Date.now()));
      const credentials = credentialsOf(app, secret, servers.config().natsPublic);
      const connection = await enterByNats(credentials);
      const ask = async (verb: string, body: unknown): Promise<Data> => {
        const message = await connection.request(appCommand(app, verb), JSON.stringify(body), { timeout: 10_000 });
        const answer = message.json();
        told.add(actor, answer);
        return answer;
      };
      return { app, connection, credentials, ask };
    });
  }, 60_000);
  afterAll(async () => {
    for (const { connection } of Object.values(apps ?? {})) await connection.close();
    await integrations?.close();
  });

  const done = async (actor: Actor, verb: string, body: Data): Promise<void> =>
    expect(await apps[actor].ask(verb, { clientKey: key(), ...body })).toHaveProperty('accepted');
  async function roomOf(id: string): Promise<void> {
    await done('owner', 'create', { id, title: TITLE, members: ['app_member', 'app_former'] });
    await done('owner', 'send', { conversationId: id, text: OLD });
    await done('former', 'send', { conversationId: id, text: OLD });
    await done('owner', 'remove-member', { conversationId: id, member: 'app_former' });
    await done('owner', 'add-members', { conversationId: id, members: ['app_late'], hideHistory: true });
    await done('owner', 'send', { conversationId: id, text: NEW });
  }

  it('every verb', async () => {
    const bodies: Readonly<Record<string, (conversationId: string, actor: Actor) => Data>> = {
      send: (conversationId) => ({ conversationId, text: 'x', clientKey: key() }),
      create: (id) => ({ id, members: [], clientKey: key() }),
      'open-direct': () => ({ with: 'friend', clientKey: key() }),
      'add-members': (conversationId, actor) => ({ conversationId, members: [`by-${actor}`], clientKey: key() }),
      'remove-member': (conversationId) => ({ conversationId, member: 'guest', clientKey: key() }),
      leave: (conversationId) => ({ conversationId, clientKey: key() }),
      'mark-read': (conversationId) => ({ conversationId, seq: 6 }),
      acknowledge: (conversationId) => ({ marks: [{ conversationId, seq: 6 }] }),
      conversation: (conversationId) => ({ conversationId }),
      conversations: () => ({}),
      members: (conversationId) => ({ conversationId }),
      message: (conversationId) => ({ conversationId, seq: 2 }),
      history: (conversationId) => ({ conversationId }),
      replay: (conversationId) => ({ conversationId, after: 0 }),
    };
    expect(Object.keys(bodies).sort()).toEqual([...VERBS].sort());
    const got: Record<string, Record<Actor, string>> = {};
    // Each of these has a room of its own, which it changes for who comes after.
    const CHANGING = ['send', 'add-members', 'remove-member', 'leave'];
    await roomOf('app-others');
    for (const [verb, bodyOf] of Object.entries(bodies)) {
      const id = CHANGING.includes(verb) ? `app-${verb}` : 'app-others';
      if (CHANGING.includes(verb)) await roomOf(id);
      got[verb] = await forEach(async (actor) => {
        const { accepted, refused, errors, result } = await apps[actor].ask(verb, bodyOf(id, actor));
        if (accepted) return 'accepted';
        if (verb === 'history' && result) return result.events.map(({ seq }: Data) => seq).join(' ');
        const shown = result && Object.values(result)[0];
        return refused?.code ?? errors?.[0].extensions.code ?? (shown === null ? 'null' : 'value');
      });
    }
    expect(tableOf(got)).toEqual(VERB_ROWS);
  });

  it('every event, and nothing of a room to whom it is not shown', async () => {
    await roomOf('app-events');
    await done('owner', 'send', { conversationId: 'app-events', text: 'the end' });
    // `CaughtUp` ends a replay, `Reset` and `DeadLetter` tell of events that are its own: their tests are those of the bridge's events.
    expect(readdirSync('schema/frames').sort()).toEqual(['CaughtUp.json', 'DeadLetter.json', 'Reset.json']);
    const last = (actor: Actor): number => ({ former: 4, stranger: 0 })[actor as 'former'] ?? 7;
    const got: Record<string, Record<Actor, string>> = {};
    const read = await forEach(async (actor) => {
      const reader = new Reader(apps[actor].connection, apps[actor].app, 'mine');
      if (actor === 'stranger') {
        // Nothing comes: what is sent after it does.
        await done('owner', 'open-direct', { with: 'app_stranger' });
        await reader.read((all) => all.length > 0);
      } else
        await reader.read((all) => all.some((one) => one.conversationId === 'app-events' && one.seq === last(actor)));
      const got = reader.got.filter(({ conversationId }) => conversationId === 'app-events');
      told.add(actor, got);
      return got;
    });
    for (const type of readdirSync('schema/events').map((file) => file.replace('.json', '')))
      got[type] = await forEach(async (actor) =>
        read[actor].flatMap((one) => (one.type === type ? [one.seq] : [])).join(' '),
      );
    expect(tableOf(got)).toEqual(EVENTS);
    expect(told.leaks()).toEqual([]);
  });

  it('nothing without credentials', async () => {
    const { nats } = apps.member.credentials;
    await expect(connect({ servers: nats.url, reconnect: false })).rejects.toThrow();
    await expect(
      connect({ servers: nats.url, user: nats.user, pass: 'x'.repeat(43), reconnect: false }),
    ).rejects.toThrow();
  });
});
