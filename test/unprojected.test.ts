/**
 * No projector runs for long: what the rooms hold in its stead grows with conversations and people, not with what is said and
 * marked. Figures, the log and `lanes doctor` warn before the bound; at the bound nothing is wrong or lost, and it ends by itself.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LaneId } from '../schema/ids.ts';
import { partitionOf } from '../schema/subjects.ts';
import { checkNotifier, checkStore } from '../services/cli/check-rooms.ts';
import type { Finding } from '../services/cli/checks.ts';
import { readSettings } from '../services/config.ts';
import { createLogger } from '../services/logger.ts';
import { start as startProjector } from '../services/projector/main.ts';
import type { Running } from '../services/run.ts';
import { type Client, clientOf, codesOf, type Data, socketOf, startApi, type TestApi, until } from './support/api.ts';
import { acknowledge, changeMembers, groupOf, markRead, marksSeenBy, register, say } from './support/chat.ts';
import { type Notifying, startNotifying, untilSo } from './support/notifying.ts';
import { laneId } from './support/scribe.ts';
import { freePorts, startServers, type TestServers } from './support/servers.ts';

/** A trim comes every 5 s, and takes what the one before had seen. */
const TRIMMED_MS = 25_000;

async function heldIn(adminPort: number, what: 'inboxes' | 'marks'): Promise<number> {
  const figures = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const found = new RegExp(`^lanes_unprojected_held\\{[^}]*what="${what}"[^}]*\\} (\\d+)$`, 'm').exec(figures);
  return Number(found?.[1]);
}
const aboutHeld = (findings: readonly Finding[], what: 'inboxes' | 'marks') =>
  findings.filter(({ says }) => says.includes(`hold of ${what}`)).map(({ state }) => state);

describe('inboxes without a projector', () => {
  const MAX = 60;
  const INBOX = `subscription($device: ID!) { inbox(device: $device) {
    __typename conversationId seq ... on MessageSent { message { text } } } }`;
  let servers: TestServers;
  let api: TestApi;
  let projector: Running | undefined;
  beforeAll(async () => {
    servers = await startServers();
    api = await startApi(servers, {}, { inbox: { unprojected: MAX } });
  });
  afterAll(async () => {
    await projector?.stop();
    await api?.stop();
    await servers?.stop();
  });

  const doctor = () => checkStore(readSettings({ LANES_ADMIN_PORT: String(api.adminPort) }));
  const held = () => heldIn(api.adminPort, 'inboxes');

  async function inboxOf(by: Client) {
    const socket = await socketOf(api, by.token);
    socket.subscribe('i', INBOX, { device: 'phone' });
    const frames = (): Data[] => socket.nexts('i').map(({ data }) => data.inbox);
    const error = (): Data => socket.messages.find(({ id, type }) => id === 'i' && type === 'error')?.payload;
    const isCaughtUp = () => frames().some(({ __typename: type }) => type === 'InboxCaughtUp');
    await until(() => isCaughtUp() || error() !== undefined);
    const of = (id: string) => frames().filter(({ conversationId }) => conversationId === id);
    return { code: error()?.[0].extensions.code, of, close: () => socket.socket.close() };
  }

  it('open whatever is said, warn at a half, are UNAVAILABLE past the bound, and open again with everything', async () => {
    const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((user) => clientOf(api, user)));
    if (!alice || !bob || !carol) throw new Error('there are three');
    for (const one of [bob, carol]) await register(one, 'phone');
    const first = await groupOf(alice, ['bob', 'carol']);
    for (let n = 0; n < 2 * MAX; n++) await say(alice, first);
    for (let n = 0; n < MAX / 4; n++)
      for (const field of ['removeMember', 'addMembers'] as const)
        await changeMembers(alice, field, {
          conversationId: first,
          ...(field === 'addMembers' ? { members: ['carol'] } : { member: 'carol' }),
        });
    const open = await inboxOf(bob);
    expect(open.code).toBeUndefined();
    const said = 1 + 2 * MAX + MAX / 2;
    await until(() => open.of(first).at(-1)?.seq === said);
    expect(await held()).toBeLessThan(MAX / 4);
    expect(aboutHeld(await doctor(), 'inboxes')).toEqual([]);

    const groups: string[] = [];
    const found = new Set<string>();
    while ((await held()) < 0.9 * MAX) {
      const id = await groupOf(alice, ['bob', 'carol']);
      groups.push(id);
      await until(() => open.of(id).length === 1);
      for (const state of aboutHeld(await doctor(), 'inboxes')) found.add(state);
    }
    expect([...found]).toEqual(['warning', 'bad']);
    const before = await inboxOf(carol);
    expect(before.code).toBeUndefined();
    before.close();
    for (let n = 0; n < MAX / 2; n++) groups.push(await groupOf(alice, ['bob', 'carol']));
    const last = groups.at(-1) as string;
    await until(() => open.of(last).length === 1);
    expect(await held()).toBeLessThanOrEqual(MAX);
    expect((await inboxOf(carol)).code).toBe('UNAVAILABLE');
    // Whoever has one open goes on.
    const seq = await say(alice, groups[0] as string, 'still here');
    await until(() => open.of(groups[0] as string).at(-1)?.seq === seq);

    const log = createLogger({ logLevel: 'error' }, 'projector', 2);
    projector = await startProjector(servers.config({ LANES_ADMIN_PORT: '0' }), log);
    const again = await until(async () => {
      const tried = await inboxOf(carol);
      if (tried.code === undefined) return tried;
      tried.close();
      return undefined;
    }, 30_000);
    await until(() => again.of(groups[0] as string).length === 2);
    for (const id of groups.slice(1)) await until(() => again.of(id).length === 1);
    await until(async () => (await held()) < MAX / 4, TRIMMED_MS);
    expect(aboutHeld(await doctor(), 'inboxes')).toEqual([]);
    await say(alice, last, 'and live');
    await until(() => again.of(last).length === 2);
  }, 120_000);
});

describe('marks without a projector', () => {
  const MAX = 20;
  const SAID = 30;
  const DELIVERY = `query($id: ID!, $seq: Int!) { message(conversationId: $id, seq: $seq) {
    delivery { nodes { user { id } state deliveredAt readAt } } } }`;
  const INBOX = `subscription($device: ID!, $after: String) { inbox(device: $device, after: $after) {
    __typename conversationId seq ... on InboxCaughtUp { cursor } } }`;
  let servers: TestServers;
  let api: TestApi;
  let projector: Running | undefined;
  beforeAll(async () => {
    servers = await startServers();
    api = await startApi(servers, {}, { marks: { maxMarks: MAX } });
  });
  afterAll(async () => {
    await projector?.stop();
    await api?.stop();
    await servers?.stop();
  });

  async function inboxOf(by: Client, after?: string): Promise<{ cursor?: string; code?: string }> {
    const socket = await socketOf(api, by.token);
    socket.subscribe('i', INBOX, { device: 'phone', after });
    const cursor = () => socket.nexts('i').find(({ data }) => data.inbox.cursor)?.data.inbox.cursor as string;
    const code = () => socket.messages.find(({ type }) => type === 'error')?.payload[0].extensions.code as string;
    await until(() => cursor() ?? code());
    socket.socket.close();
    return { cursor: cursor(), code: code() };
  }

  it('say how far everybody is, but no time that is not known; past the bound nothing, and then all of it', async () => {
    const names = Array.from({ length: MAX + 5 }, (_, n) => `reader${n}`);
    const [alice, bob, ...readers] = await Promise.all(['alice', 'bob', ...names].map((user) => clientOf(api, user)));
    if (!alice || !bob) throw new Error('there are two');
    for (const one of [bob, ...readers]) await register(one, 'phone');
    const id = await groupOf(alice, ['bob', ...names]);
    for (let n = 0; n < SAID; n++) await say(alice, id);
    for (let seq = 2; seq <= SAID; seq++) await acknowledge(bob, 'phone', id, seq);
    await markRead(bob, id, 5);
    expect((await marksSeenBy(alice, id)).get('bob')).toEqual([SAID, 5]);
    expect(codesOf(await alice.post(DELIVERY, { id, seq: 5 }))).toEqual(['UNAVAILABLE']);
    const last = await alice.ask(DELIVERY, { id, seq: SAID + 1 });
    expect(new Set(last.message.delivery.nodes.map(({ state }: Data) => state))).toEqual(new Set(['ACCEPTED']));
    const { cursor } = await inboxOf(bob);
    expect(cursor).toBeTypeOf('string');

    for (const reader of readers) await acknowledge(reader, 'phone', id, 2);
    const mine = 'query($id: ID!) { conversation(id: $id) { lastSeq readSeq } }';
    const { data, ...answer } = await alice.post(mine, { id });
    expect([data, codesOf(answer)]).toEqual([{ conversation: { lastSeq: SAID + 1, readSeq: null } }, ['UNAVAILABLE']]);
    expect(await inboxOf(bob)).toMatchObject({ code: 'UNAVAILABLE' });
    expect((await inboxOf(bob, cursor)).code).toBeUndefined();

    const log = createLogger({ logLevel: 'error' }, 'projector', 2);
    projector = await startProjector(servers.config({ LANES_ADMIN_PORT: '0' }), log);
    const told = await until(async () => {
      const { data, errors } = await alice.post(DELIVERY, { id, seq: 2 });
      return errors.length === 0 && data.message.delivery.nodes;
    }, 30_000);
    const states = Object.fromEntries(told.map(({ user, state }: Data) => [user.id, state]));
    expect(states).toEqual({ bob: 'READ', ...Object.fromEntries(names.map((name) => [name, 'DELIVERED'])) });
    expect(told.every(({ deliveredAt }: Data) => deliveredAt !== null)).toBe(true);
    expect((await marksSeenBy(alice, id)).get('bob')).toEqual([SAID, 5]);
    expect((await inboxOf(bob)).code).toBeUndefined();
  }, 120_000);
});

describe('pushes without a projector', () => {
  const MAX = 40;
  let all: Notifying;
  let notifier: Running;
  let adminPort: number;
  beforeAll(async () => {
    adminPort = await freePorts(4);
    all = await startNotifying({}, { LANES_ADMIN_PORT: String(adminPort) });
    await all.projector.stop();
    notifier = await all.startNotifier({}, { maxMarks: MAX });
  }, 60_000);
  afterAll(async () => {
    await notifier?.stop();
    await all?.stop();
  });

  const held = () => heldIn(adminPort + 2, 'marks');
  const doctor = async () =>
    aboutHeld(await checkNotifier(readSettings({ LANES_ADMIN_PORT: String(adminPort) })), 'marks');
  const pushesOf = (lane: LaneId) =>
    all.providers.fcm.pushes.flatMap(({ token, lanes: { conversationId } }) =>
      conversationId === lane ? [token] : [],
    );

  it('go on whatever is marked, warn at a half, wait past the bound, and then come, each once', async () => {
    const lane = await all.tell('one', 'bob');
    await untilSo(() => pushesOf(lane).length === 1);
    for (let seq = 1; seq <= 3 * MAX; seq++)
      await all.mark('carol', lane, seq, seq % 2 ? 'read' : 'delivered', 'phone');
    await untilSo(async () => (await held()) > 0);
    const two = await all.tell('two', 'dan');
    await untilSo(() => pushesOf(two).length === 1);
    expect(await held()).toBeLessThan(MAX);

    const states = new Set<string>();
    for (let n = 0; (await held()) < MAX; n++) {
      const before = await held();
      await all.mark(`reader${n}`, lane, 1);
      await untilSo(async () => (await held()) > before);
      for (const state of await doctor()) states.add(state);
    }
    expect([...states]).toEqual(['warning', 'bad']);
    // Past the bound no mark is read: of whom nothing is known since then, nothing is decided.
    const named = (partition: number, name: string) =>
      Array.from({ length: 20 }, (_, n) => `${name}${n}`).find(
        (id) => partitionOf(laneId(id), 2) === partition,
      ) as string;
    const partition = partitionOf(lane, 2);
    for (let n = 0; n < 2; n++) await all.mark(`more${n}`, lane, 1);
    const late = await all.tell(named(partition, 'late'), 'erin', 'frank');
    await all.mark('frank', late, 2);
    const aside = await all.tell(named(1 - partition, 'aside'), 'gina');
    await untilSo(() => pushesOf(aside).length === 1);
    expect(pushesOf(late)).toEqual([]);

    await all.projector.start();
    await untilSo(() => pushesOf(late).length > 0, 30_000);
    await untilSo(async () => (await held()) < MAX / 2, 30_000);
    expect(await doctor()).toEqual([]);
    const after = await all.tell('after', 'bob');
    await untilSo(() => pushesOf(after).length === 1);
    expect([pushesOf(late), pushesOf(lane), pushesOf(two)].map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(pushesOf(late)).toEqual(['erin-phone']);
  }, 120_000);
});
