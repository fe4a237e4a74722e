/**
 * Who sees and does what, by the whole schema: every field that can be asked for and every frame, for each kind of caller. What is new in the schema and has no row in the tables fails here.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start as startNotifier } from '../services/notifier/main.ts';
import { start as startProjector } from '../services/projector/main.ts';
import type { Running } from '../services/run.ts';
import {
  type Client,
  clientOf,
  codesOf,
  type Data,
  post,
  rawSocket,
  socketOf,
  startApi,
  type TestApi,
  tokenFor,
  until,
} from './support/api.ts';
import { silent } from './support/doors.ts';
import { startProviders, type TestProviders } from './support/providers/all.ts';
import {
  ACTORS,
  type Actor,
  FIELDS,
  FRAMES,
  forEach,
  MUTATIONS,
  NEW,
  OLD,
  QUERIES,
  TITLE,
  Told,
  tableOf,
  UNSEEN,
} from './support/rights.ts';
import { allFields, note, operationOf, rootFieldsOf, type Seen } from './support/selection.ts';
import { startServers, type TestServers } from './support/servers.ts';

const SETTINGS = { LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0' };

let servers: TestServers;
let providers: TestProviders;
let api: TestApi;
const rooms: { stop(): Promise<unknown> }[] = [];

beforeAll(async () => {
  [servers, providers] = await Promise.all([startServers(), startProviders()]);
  const settings = { ...SETTINGS, ...providers.settings, LANES_NOTIFY_GRACE_MS: '0' };
  api = await startApi(servers, SETTINGS);
  const started: Running[] = await Promise.all([
    startProjector(servers.config(settings), silent),
    startNotifier(servers.config(settings), silent),
  ]);
  rooms.push(...started);
}, 60_000);
afterAll(async () => {
  await Promise.all(rooms.map((room) => room.stop()));
  await api?.stop();
  await Promise.all([providers?.stop(), servers?.stop()]);
});

const key = (): string => randomUUID();
describe('by GraphQL', () => {
  const seen = Object.fromEntries(ACTORS.map((actor) => [actor, new Map()])) as unknown as Record<Actor, Seen>;
  const told = new Told();
  let clients: Record<Actor, Client>;
  const took = (actor: Actor, answer: unknown): void => {
    note(seen[actor], answer);
    told.add(actor, answer);
  };

  const change = async (by: Client, field: string, input: Data): Promise<Data> => {
    const type = `${field[0]?.toUpperCase()}${field.slice(1)}Input`;
    const query = `mutation($input: ${type}!) { ${field}(input: $input) { accepted { seq } refused { code } } }`;
    const answer = (await by.ask(query, { input: { clientKey: key(), ...input } }))[field];
    expect(answer.refused).toBeNull();
    return answer.accepted;
  };
  /** The owner's, with a member, a late one who sees from its coming on, one without a device, and one that was removed. Eight events. */
  async function roomOf(id: string): Promise<void> {
    const { owner, former } = clients;
    await change(owner, 'createConversation', { id, title: TITLE, members: ['member', 'former', 'silent'] });
    await change(owner, 'sendMessage', { conversationId: id, text: OLD });
    await change(former, 'sendMessage', { conversationId: id, text: OLD });
    await change(owner, 'removeMember', { conversationId: id, member: 'former' });
    await change(owner, 'addMembers', { conversationId: id, members: ['late'], hideHistory: true });
    await change(owner, 'sendMessage', { conversationId: id, text: NEW });
    await change(owner, 'sendMessage', { conversationId: id, text: NEW });
    await change(owner, 'addMembers', { conversationId: id, members: ['guest'] });
  }

  beforeAll(async () => {
    const claims = (actor: Actor) => ({
      ...{ name: actor, picture: `https://example.org/${actor}.png` },
      ...(actor === 'admin' ? { scope: 'lanes:admin' } : {}),
    });
    clients = await forEach((actor) => clientOf(api, actor, claims(actor)));
    for (const { user, ask } of Object.values(clients))
      await ask('mutation($input: RegisterDeviceInput!) { registerDevice(input: $input) { refused { code } } }', {
        input: { device: 'phone', push: { fcm: { token: `token-${user}` } } },
      });
    await roomOf('room');
    const ATTEMPTS =
      '{ message(conversationId: "room", seq: 6) { delivery { nodes { user { id } attempts { outcome } } } } }';
    await until(async () => {
      const { nodes } = (await clients.admin.ask(ATTEMPTS)).message.delivery;
      return nodes.filter(({ attempts }: Data) => attempts?.length > 0).length === 2;
    });
    await clients.member.ask(
      'mutation($input: AcknowledgeInput!) { acknowledge(input: $input) { refused { code } } }',
      { input: { device: 'phone', marks: [{ conversationId: 'room', seq: 6 }] } },
    );
    for (const actor of ['late', 'member', 'owner'] as const) {
      const by = clients[actor];
      await by.ask('mutation($input: MarkReadInput!) { markRead(input: $input) { refused { code } } }', {
        input: { conversationId: 'room', seq: 6 },
      });
      await by.ask(
        'mutation($input: MuteConversationInput!) { muteConversation(input: $input) { refused { code } } }',
        {
          input: { conversationId: 'room', until: '2999-01-01T00:00:00Z' },
        },
      );
    }
    // What nobody is told of by a push, since it is muted.
    const { seq } = await change(clients.owner, 'sendMessage', { conversationId: 'room', text: NEW });
    const REASONS =
      'query($seq: Int!) { message(conversationId: "room", seq: $seq) { delivery { nodes { user { id } noPushReason } } } }';
    await until(async () => {
      const { nodes } = (await clients.admin.ask(REASONS, { seq })).message.delivery;
      return nodes.filter(({ noPushReason }: Data) => noPushReason === 'MUTED').length === 2;
    });
  }, 60_000);

  const withoutConversation = ({ openDirect }: Data): Data => ({
    openDirect: { ...openDirect, conversation: openDirect.conversation && {} },
  });
  const outcomeOf = (answer: Data, field: string): string => {
    const [code] = codesOf(answer);
    const value = answer.data?.[field];
    return code ?? value?.refused?.code ?? (value === null || value === undefined ? 'null' : 'value');
  };

  it('every query', async () => {
    const asked: readonly (readonly [string, string])[] = [
      ['me', 'me'],
      ['conversation', 'conversation(id: "room")'],
      ['conversations', 'conversations(first: 8)'],
      ['message of before', 'message(conversationId: "room", seq: 2)'],
      ['message of after', 'message(conversationId: "room", seq: 6)'],
    ];
    expect([...new Set(asked.map(([, call]) => call.split('(')[0]))].sort()).toEqual(rootFieldsOf('Query').sort());
    const got: Record<string, Record<Actor, string>> = {};
    for (const [name, call] of asked)
      got[name] = await forEach(async (actor) => {
        const answer = await clients[actor].post(operationOf('query', '', call));
        took(actor, answer.data);
        return outcomeOf(answer, call.split('(')[0] ?? '');
      });
    const WHOSE = '{ message(conversationId: "room", seq: 6) { delivery { nodes { user { id } } } } }';
    got['whose deliveries'] = await forEach(async (actor) => {
      const { message } = await clients[actor].ask(WHOSE);
      return (message?.delivery.nodes ?? []).map(({ user }: Data) => user.id).join(' ');
    });
    expect(tableOf(got)).toEqual(QUERIES);
  });

  it('every subscription and every frame', async () => {
    const asked: readonly (readonly [string, string])[] = [
      ['conversation', 'conversation(id: "room", after: 0)'],
      ['conversation from a place that is none', 'conversation(id: "room", after: 99)'],
      ['inbox', 'inbox(device: "phone")'],
      ['delivery of before', 'delivery(conversationId: "room", seq: 2)'],
      ['delivery of after', 'delivery(conversationId: "room", seq: 6)'],
    ];
    expect([...new Set(asked.map(([, call]) => call.split('(')[0]))].sort()).toEqual(
      rootFieldsOf('Subscription').sort(),
    );
    const got: Record<string, Record<Actor, string>> = {};
    for (const [name, call] of asked)
      got[name] = await forEach(async (actor) => {
        const field = call.split('(')[0] ?? '';
        const socket = await socketOf(api, clients[actor].token);
        socket.subscribe('1', operationOf('subscription', '', call));
        const LAST = ['CaughtUp', 'InboxCaughtUp', 'Delivery'];
        const last = await socket.message(
          ({ type, payload }) =>
            ['complete', 'error'].includes(type) || LAST.includes(payload?.data?.[field]?.__typename),
        );
        const frames = socket.nexts('1').map(({ data }) => data[field]);
        socket.socket.close();
        took(actor, [frames, last]);
        const types = [...new Set(frames.map(({ __typename }: Data) => __typename))];
        return last.type === 'error' ? last.payload[0].extensions.code : types.join(' ');
      });
    expect(tableOf(got)).toEqual(FRAMES);
  });

  it('every mutation', async () => {
    const inputs: Readonly<Record<string, (conversationId: string, actor: Actor) => Data>> = {
      openDirect: () => ({ with: 'friend', clientKey: key() }),
      createConversation: (id) => ({ id, members: [], clientKey: key() }),
      addMembers: (conversationId, actor) => ({ conversationId, members: [`by-${actor}`], clientKey: key() }),
      removeMember: (conversationId) => ({ conversationId, member: 'guest', clientKey: key() }),
      leaveConversation: (conversationId) => ({ conversationId, clientKey: key() }),
      sendMessage: (conversationId) => ({ conversationId, text: 'x', clientKey: key() }),
      registerDevice: () => ({ device: 'tablet' }),
      unregisterDevice: () => ({ device: 'tablet' }),
      acknowledge: (conversationId) => ({ device: 'phone', marks: [{ conversationId, seq: 6 }] }),
      markRead: (conversationId) => ({ conversationId, seq: 6 }),
      muteConversation: (conversationId) => ({ conversationId, until: '2999-01-01T00:00:00Z' }),
      updateSettings: () => ({ doNotDisturb: { from: '22:00', to: '06:00', timeZone: 'Europe/Berlin' } }),
    };
    expect(Object.keys(inputs).sort()).toEqual(rootFieldsOf('Mutation').sort());
    const got: Record<string, Record<Actor, string>> = {};
    // Each of these has a room of its own, which it changes for who comes after.
    const CHANGING = ['addMembers', 'removeMember', 'leaveConversation'];
    await roomOf('room-of-others');
    for (const [field, inputOf] of Object.entries(inputs)) {
      const id = CHANGING.includes(field) ? `room-${field}` : 'room-of-others';
      if (CHANGING.includes(field)) await roomOf(id);
      const type = `${field[0]?.toUpperCase()}${field.slice(1)}Input`;
      got[field] = await forEach(async (actor) => {
        const query = operationOf('mutation', `($input: ${type}!)`, `${field}(input: $input)`);
        const answer = await clients[actor].post(query, { input: inputOf(id, actor) });
        const isOfRoom = field !== 'openDirect' || clients[actor] === clients.owner;
        // A conversation of one's own says nothing about the room.
        took(actor, isOfRoom ? answer.data : withoutConversation(answer.data));
        return outcomeOf(answer, field);
      });
    }
    expect(tableOf(got)).toEqual(MUTATIONS);
  });

  it('every field of every type, and nothing of the room to whom it is not shown', async () => {
    // What the settings have become.
    await forEach(async (actor) => took(actor, await clients[actor].ask(operationOf('query', '', 'me'))));
    const marks = { value: '+', null: '0' } as const;
    const patternOf = (field: string): string =>
      ACTORS.map((actor) => marks[seen[actor].get(field) as 'value' | 'null'] ?? '-').join('');
    const got: Record<string, Record<string, string>> = {};
    for (const field of allFields()) {
      const [type = '', name = ''] = field.split('.');
      if (UNSEEN.includes(type)) continue;
      const rows = got[type] ?? {};
      got[type] = rows;
      const pattern = patternOf(field);
      // What nobody is shown here is not tested here.
      expect([field, pattern]).not.toEqual([field, '------']);
      rows[pattern] = rows[pattern] === undefined ? name : `${rows[pattern]} ${name}`;
    }
    expect(got).toEqual(FIELDS);
    expect(told.leaks()).toEqual([]);
  });

  it('nothing without a token, nor with one of an integration’s name', async () => {
    const forApp = await tokenFor(api, 'app_spy');
    const calls = [
      ...rootFieldsOf('Query').map((field) => `{ ${field} { __typename } }`),
      ...rootFieldsOf('Mutation').map((field) => `mutation { ${field} { __typename } }`),
      ...rootFieldsOf('Subscription').map((field) => `subscription { ${field} { __typename } }`),
    ];
    for (const token of [undefined, forApp])
      for (const query of calls)
        for (const accept of ['application/json', 'text/event-stream']) {
          const answer = await post(api, query, {}, { token, headers: { accept } });
          expect([query, answer.status, answer.data, codesOf(answer)]).toEqual([
            query,
            401,
            undefined,
            ['UNAUTHENTICATED'],
          ]);
        }
    for (const payload of [{}, { authorization: `Bearer ${forApp}` }]) {
      const socket = await rawSocket(api);
      socket.send({ type: 'connection_init', payload });
      expect(await socket.closed()).toEqual({ code: 4403, reason: 'token-invalid' });
      expect(socket.messages).toEqual([]);
    }
  });
});
