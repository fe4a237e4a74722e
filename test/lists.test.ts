/** Lists and receipts of a process that has cached what another one changes: by the front door, two of the api on the same servers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, clientOf, type Data, socketOf, startApi, type TestApi, until } from './support/api.ts';
import { acknowledge, changeMembers, groupOf, type House, markRead, openHouse, register, say } from './support/chat.ts';

let house: House;
/** Where everything is changed. */
let one: TestApi;
/** Where it was read before. */
let two: TestApi;
let alice: Client;

beforeAll(async () => {
  house = await openHouse();
  one = house.api;
  two = await startApi(house.servers);
  alice = await clientOf(one, 'alice');
});
afterAll(async () => {
  await two?.stop();
  await house?.stop();
});

const LIST = `{ conversations(first: 100) { nodes {
  id lastSeq firstSeq unread lastMessage { text } me { role } messages(last: 100) { nodes { text } }
} } }`;
const listed = async (by: Client, id: string): Promise<Data | undefined> =>
  (await by.ask(LIST)).conversations.nodes.find((node: Data) => node.id === id);
/** Its list has come to say that it belongs to this one; lists alone may lag. */
const inList = (by: Client, id: string) => until(() => listed(by, id));
const at = (api: TestApi, { user }: Client): Promise<Client> => clientOf(api, user);
let users = 0;
const newUser = (): Promise<Client> => clientOf(two, `user_${++users}`);

describe('a list', () => {
  it('shows each conversation as it is, whatever its process had read of it before', async () => {
    const bob = await newUser();
    const id = await groupOf(alice, [bob.user]);
    expect(await inList(bob, id)).toMatchObject({ lastSeq: 1, unread: 0, lastMessage: null });
    let seq = 0;
    for (let i = 0; i < 51; i++) seq = await say(alice, id, `m${i}`);
    expect(await listed(bob, id)).toMatchObject({ lastSeq: seq, unread: 51, lastMessage: { text: 'm50' } });
  });

  it('holds what its user was taken into by another process', async () => {
    const [bob, carol] = [await newUser(), await newUser()];
    const id = await groupOf(alice, [bob.user]);
    await inList(bob, id);
    await changeMembers(alice, 'addMembers', { conversationId: id, members: [carol.user] });
    await inList(await at(one, carol), id);
    expect(await listed(carol, id)).toMatchObject({ lastSeq: 2, me: { role: 'MEMBER' } });
  });

  it('shows nothing to who was removed, and nothing hidden to who was taken in again', async () => {
    const bob = await newUser();
    const id = await groupOf(alice, [bob.user]);
    await say(alice, id, 'for bob');
    await until(async () => (await listed(bob, id))?.lastSeq === 2);
    await changeMembers(alice, 'removeMember', { conversationId: id, member: bob.user });
    expect(await listed(bob, id)).toBeUndefined();
    await say(alice, id, 'not for bob');
    await changeMembers(alice, 'addMembers', { conversationId: id, members: [bob.user], hideHistory: true });
    await say(alice, id, 'for bob again');
    const now = await inList(bob, id);
    expect(now.messages.nodes).toEqual([{ text: 'for bob again' }]);
    expect(now).toMatchObject({ firstSeq: 5, lastSeq: 6, unread: 1 });

    // Nobody looks between: what is cached is from before both.
    await changeMembers(alice, 'removeMember', { conversationId: id, member: bob.user });
    await changeMembers(alice, 'addMembers', { conversationId: id, members: [bob.user], hideHistory: true });
    expect(await inList(bob, id)).toMatchObject({ firstSeq: 8, unread: 0, lastMessage: null, messages: { nodes: [] } });
  });
});

describe('an inbox', () => {
  it('tells what is unread of a conversation as it is, though its process had cached it before', async () => {
    const bob = await newUser();
    await register(bob, 'phone');
    const id = await groupOf(alice, [bob.user]);
    await say(alice, id);
    expect(await until(async () => (await listed(bob, id))?.lastSeq === 2)).toBe(true);
    let seq = 0;
    for (let i = 0; i < 20; i++) seq = await say(alice, id);
    const elsewhere = await at(one, bob);
    await markRead(elsewhere, id, 2);
    await acknowledge(elsewhere, 'phone', id, seq);
    // The feed of a process begins at what is listed: this one knows of nothing that was stored meanwhile.
    await until(async () => (await elsewhere.ask('{ me { unreadMessages } }')).me.unreadMessages === 20);
    const socket = await socketOf(two, bob.token);
    const query = `subscription { inbox(device: "phone") { __typename conversationId
      ... on ReceiptMoved { user { id } readSeq unread } } }`;
    socket.subscribe('i', query);
    const caughtUp = ({ payload }: Data) => payload?.data?.inbox.__typename === 'InboxCaughtUp';
    await socket.message(caughtUp);
    const own = socket.nexts('i').filter(({ data }) => data.inbox.user?.id === bob.user);
    expect(own.map(({ data }) => data.inbox)).toMatchObject([{ conversationId: id, readSeq: 2, unread: 20 }]);
    socket.socket.close();
  });
});
