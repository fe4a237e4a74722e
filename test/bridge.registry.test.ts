/** Who the integrations are: kept in NATS, known in memory, by every process alike. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newIntegration, newSecret, revoked, rotated } from '../bridge/credentials.ts';
import { hashOfSecret, judge } from '../bridge/judge.ts';
import { type AppId, appOfUser, parseAppId, parseUserId, type UserId, userOfApp } from '../schema/ids.ts';
import { integrationSubject } from '../schema/subjects.ts';
import type { Integration, Integrations } from '../services/journal/integrations.ts';
import { openIntegrations } from '../services/journal/integrations-jetstream.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { JournalUnavailable } from '../services/journal/journal.ts';
import { newApp, silent } from './support/doors.ts';
import { startServers, type TestServers } from './support/servers.ts';

const app = (name: string): AppId => parseAppId(name) as AppId;
const made = (name: AppId = newApp()): Integration => newIntegration(name, 'member', newSecret(), Date.now());

describe('the name of an integration', () => {
  it('is its user without the prefix, and nothing else', () => {
    expect(userOfApp(app('calendar'))).toBe('app_calendar');
    expect(appOfUser('app_calendar' as UserId)).toBe('calendar');
    for (const user of ['alice', 'app', 'app_', 'App_x', `app_${'x'.repeat(61)}`])
      expect(appOfUser(user as UserId), user).toBeUndefined();
    expect(parseUserId(userOfApp(app('x'.repeat(60))))).toBeDefined();
    for (const name of ['', 'x'.repeat(61), 'a.b', 'a b', '*', '>', '$x', 'é', 'a\n', null, 1, undefined])
      expect(parseAppId(name), String(name)).toBeUndefined();
  });
});

describe('who is let in', () => {
  const [one, secret] = [app('one'), newSecret()];
  const integration = newIntegration(one, 'member', secret, 1);
  const claim = { user: 'app_one', password: secret, kind: 'Client', type: 'nats', clientId: '' };
  const verdict = (more: Partial<typeof claim>, known: Integration | undefined = integration, hasRoom = true) => {
    const result = judge(
      { ...claim, ...more },
      (name) => (name === one ? known : undefined),
      () => hasRoom,
    );
    return result.kind === 'in' ? `${result.door} ${result.since}` : result.why;
  };

  it('is who proves it, by a way that there is', () => {
    expect(verdict({})).toBe('nats 1');
    expect(verdict({ type: 'websocket' })).toBe('nats 1');
    expect(verdict({ type: 'mqtt', clientId: 'one' })).toBe('mqtt 1');
    expect(verdict({ type: 'mqtt', clientId: 'two' })).toBe('client id');
    expect(verdict({ kind: 'Leafnode' })).toBe('kind');
    expect(verdict({ type: 'something' })).toBe('kind');
    expect(verdict({ password: '' })).toBe('password');
    expect(verdict({ password: hashOfSecret(secret) })).toBe('password');
    expect(verdict({ user: 'app_two' })).toBe('no integration');
    expect(verdict({ user: 'one' })).toBe('no integration');
    expect(verdict({ user: '' })).toBe('no integration');
    expect(verdict({}, integration, false)).toBe('connections');
  });

  it('is nobody who was revoked, and by a new secret who was rotated', () => {
    expect(verdict({}, revoked(integration, 2))).toBe('revoked');
    const again = newSecret();
    expect(verdict({}, rotated(integration, again, 0))).toBe('password');
    expect(verdict({ password: again }, rotated(integration, again, 0))).toBe('nats 2');
    expect(JSON.stringify(integration)).not.toContain(secret);
  });
});

describe('the registry', () => {
  let servers: TestServers;
  const opened: Integrations[] = [];
  const open = async (): Promise<Integrations> => {
    const registry = await openIntegrations({ ...servers.config().nats, log: silent, name: 'test' });
    opened.push(registry);
    return registry;
  };
  beforeAll(async () => {
    servers = await startServers({ mongo: false });
    const config = servers.config({ LANES_PARTITIONS: '1' });
    const options = { ...config.nats, log: silent, name: 'test', partitions: 1, maxBytes: config.storeBytes };
    await (await openJetStreamJournal(options)).close();
  }, 60_000);
  afterEach(() => Promise.all(opened.splice(0).map((registry) => registry.close())));
  afterAll(() => servers?.stop());

  it('knows what was put, here and elsewhere, at once and after a start', async () => {
    const [here, elsewhere] = [await open(), await open()];
    const heard: string[] = [];
    elsewhere.listen(({ app: name }) => heard.push(name));
    const integration = made();
    expect(here.get(integration.app)).toBeUndefined();
    expect(await here.put(integration)).toBe('stored');
    expect(here.get(integration.app)).toEqual(integration);
    await expect.poll(() => elsewhere.get(integration.app)).toEqual(integration);
    expect(heard).toEqual([integration.app]);
    expect((await open()).get(integration.app)).toEqual(integration);
    expect(here.list().map(({ app: name }) => name)).toContain(integration.app);
  });

  it('tells each change once', async () => {
    const here = await open();
    const heard: (number | undefined)[] = [];
    const integration = made();
    const listening = here.listen((one) => one.app === integration.app && heard.push(one.rotatedAt));
    await here.put(integration);
    for (let at = 1; at <= 3; at++) await here.put({ ...integration, rotatedAt: at });
    const after = made();
    await here.put(after);
    await expect.poll(() => here.get(after.app)).toEqual(after);
    expect(heard).toEqual([undefined, 1, 2, 3]);
    listening.stop();
    await here.put({ ...integration, rotatedAt: 4 });
    expect(heard).toHaveLength(4);
  });

  it('is written by one of two who write at once', async () => {
    const [here, elsewhere] = [await open(), await open()];
    const integration = made();
    const outcomes = await Promise.all([here, elsewhere].map((one, i) => one.put({ ...integration, createdAt: i }, 0)));
    expect(outcomes.sort()).toEqual(['conflict', 'stored']);
    const loser = await here.put({ ...integration, createdAt: 9 }, 1);
    expect(loser).toBe('conflict');
    const revision = here.revision(integration.app);
    expect(revision).toBeGreaterThan(0);
    expect(await here.put({ ...integration, createdAt: 10 }, revision)).toBe('stored');
    await expect.poll(() => elsewhere.get(integration.app)?.createdAt).toBe(10);
  });

  it('remembers while NATS is down, and goes on when it is back', async () => {
    const [here, elsewhere] = [await open(), await open()];
    const integration = made();
    await here.put(integration);
    await servers.nats.kill9();
    expect(here.get(integration.app)).toEqual(integration);
    await expect(here.put(made())).rejects.toBeInstanceOf(JournalUnavailable);
    await servers.nats.restart();
    const later = made();
    await expect
      .poll(() => here.put(later).catch((error: Error) => error.name), { timeout: 15_000 })
      .toMatch(/stored|conflict/);
    await expect.poll(() => elsewhere.get(later.app), { timeout: 15_000 }).toEqual(later);
  }, 40_000);

  it('holds nobody for what it cannot read', async () => {
    const here = await open();
    const { connect } = await import('nats');
    const { url, user, password } = servers.nats;
    const nats = await connect({ servers: url, user, pass: password });
    const names = ['text', 'empty', 'half', 'other', 'null'].map(app);
    const bodies = ['no json', '{}', '{"app":"half","scope":"member"}', JSON.stringify(made(app('somebody'))), 'null'];
    for (const [i, name] of names.entries()) await nats.jetstream().publish(integrationSubject(name), bodies[i]);
    const after = made();
    await here.put(after);
    await expect.poll(() => here.get(after.app)).toEqual(after);
    for (const name of names) expect(here.get(name), name).toBeUndefined();
    const again = await open();
    expect(again.get(after.app)).toEqual(after);
    await nats.close();
  });

  it('waits for its stream', async () => {
    const { connect } = await import('nats');
    const { url, user, password } = servers.nats;
    const nats = await connect({ servers: url, user, pass: password });
    const manager = await nats.jetstreamManager();
    await manager.streams.delete('LANES_INTEGRATIONS');
    const opening = open();
    const config = servers.config({ LANES_PARTITIONS: '1' });
    const options = { ...config.nats, log: silent, name: 'test', partitions: 1, maxBytes: config.storeBytes };
    await (await openJetStreamJournal(options)).close();
    expect((await opening).list()).toEqual([]);
    const stopping = new AbortController();
    await manager.streams.delete('LANES_INTEGRATIONS');
    const link = { ...config.nats, log: silent, name: 'test', signal: stopping.signal };
    const never = openIntegrations(link);
    stopping.abort(new Error('stopped'));
    await expect(never).rejects.toThrow('stopped');
    await nats.close();
  }, 20_000);
});
