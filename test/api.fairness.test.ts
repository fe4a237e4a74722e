/** What one user asks for costs that user, and nobody else: documents, answers, streams. A real process with a small heap. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, clientOf, codesOf } from './support/api.ts';
import { startServers, type TestServers } from './support/servers.ts';
import { type SmallApi, startSmallApi } from './support/small-api.ts';

const HEAP_MB = 160;

let servers: TestServers;
let api: SmallApi;
let alice: Client;
let mallory: Client;
let lane: string;

beforeAll(async () => {
  servers = await startServers({ mongo: false });
  api = await startSmallApi(servers, HEAP_MB);
  [alice, mallory] = await Promise.all([clientOf(api, 'alice'), clientOf(api, 'mallory')]);
  const created = await alice.ask(CREATE, { input: { members: ['bob'], clientKey: randomUUID() } });
  lane = created.createConversation.accepted.conversationId;
});
afterAll(async () => {
  await api?.stop();
  await servers?.stop();
});

const CREATE =
  'mutation($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } refused { code } } }';
const SEND =
  'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code message } } }';
const send = async (by: Client): Promise<number> => {
  const { sendMessage } = await by.ask(SEND, { input: { conversationId: lane, text: 'hi', clientKey: randomUUID() } });
  return sendMessage.accepted.seq;
};
const repeated = (count: number, of: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => of(i)).join(' ');

/** Calls `work` so many times, `atOnce` of them at a time. */
async function many(count: number, atOnce: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Whether another user's sends are answered while `flood` lasts, and how late the latest was. */
async function sendsDuring(flood: Promise<unknown>): Promise<{ readonly sends: number; readonly latestMs: number }> {
  let over = false;
  const end = flood.finally(() => {
    over = true;
  });
  let sends = 0;
  let latestMs = 0;
  while (!over) {
    const startedAt = performance.now();
    await send(alice);
    latestMs = Math.max(latestMs, performance.now() - startedAt);
    sends++;
  }
  await end;
  return { sends, latestMs };
}

describe('one user’s documents', () => {
  it('do not fill the process’s memory, however many there are, and others’ sends are answered', async () => {
    const codes = new Map<string, number>();
    /** Sent twice each, so that it would be worth remembering. */
    const pages = repeated(49, (i) => `m${i}: members(first: 100) { nodes { id role user { id name } } }`);
    const document = (i: number): string => `{ conversation(id: "nowhere${i}") { ${pages} } }`;
    const flood = many(1_600, 16, async (i) => {
      const answer = await mallory.post(document(Math.floor(i / 2)));
      const [code = 'none'] = codesOf(answer);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    });
    const { sends, latestMs } = await sendsDuring(flood);
    expect([api.exitCode, api.signal]).toEqual([null, null]);
    expect(sends).toBeGreaterThan(0);
    expect(latestMs).toBeLessThan(2_000);
    expect([...codes.keys()].sort()).toEqual(['RATE_LIMITED', 'none']);
  });
});
