/**
 * Load that knows at each moment what the newest is: senders, readers who ask another process for a conversation that was
 * just written to, and members who send through it as soon as they were taken in.
 */
import { randomUUID } from 'node:crypto';
import { type Client, clientOf, type TestApi } from './api.ts';
import { groupOf } from './chat.ts';
import { until } from './scribe.ts';

export interface Seen {
  /** Answered reads, and those of them that were older than what had been answered before they began. */
  reads: number;
  stale: number;
  /** Sends of who had been taken in before they began, and those of them that were refused. */
  sends: number;
  refused: number;
  /** Answers of either kind that said nothing: unavailable, contended, unknown. */
  open: number;
  /** Accepted sends of the senders. */
  accepted: number;
  /** The longest that a request took. */
  slowestMs: number;
}

const SEND =
  'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } refused { code retryable } } }';
const ADD =
  'mutation($input: AddMembersInput!) { addMembers(input: $input) { accepted { seq } refused { code retryable } } }';
const READ = 'query($id: ID!) { conversation(id: $id) { lastSeq } }';

export class NewestLoad {
  readonly seen: Seen = { reads: 0, stale: 0, sends: 0, refused: 0, open: 0, accepted: 0, slowestMs: 0 };
  readonly #writing: TestApi;
  readonly #reading: TestApi;
  readonly #running: Promise<void>[] = [];
  #isOver = false;

  constructor(writing: TestApi, reading: TestApi) {
    this.#writing = writing;
    this.#reading = reading;
  }

  /** Begins with so many conversations. */
  async start(conversations: number): Promise<void> {
    const owner = await clientOf(this.#writing, 'owner');
    for (let i = 0; i < conversations; i++) {
      const id = await until(() => groupOf(owner, ['reader']).catch(() => ''), Boolean);
      const newest = { id, seq: 1 };
      const reader = await clientOf(this.#reading, 'reader');
      this.#running.push(
        this.#forever(() => this.#send(owner, newest)),
        this.#forever(() => this.#read(reader, newest)),
        this.#forever((turn) => this.#takeIn(owner, newest, `m${i}-${turn}`)),
      );
    }
  }

  async stop(): Promise<Seen> {
    this.#isOver = true;
    await Promise.all(this.#running);
    return this.seen;
  }

  async #forever(step: (turn: number) => Promise<void>): Promise<void> {
    for (let turn = 0; !this.#isOver; turn++) await step(turn);
  }

  async #send(by: Client, newest: { readonly id: string; seq: number }): Promise<void> {
    const input = { conversationId: newest.id, text: 'hi', clientKey: randomUUID() };
    const { sendMessage } = await this.#ask(by, SEND, { input });
    if (!sendMessage?.accepted) return void this.seen.open++;
    this.seen.accepted++;
    newest.seq = Math.max(newest.seq, sendMessage.accepted.seq);
  }

  async #read(by: Client, newest: { readonly id: string; readonly seq: number }): Promise<void> {
    const { seq } = newest;
    const answer = await this.#ask(by, READ, { id: newest.id });
    if (answer.conversation === undefined) return void this.seen.open++;
    this.seen.reads++;
    if (answer.conversation === null || answer.conversation.lastSeq < seq) this.seen.stale++;
  }

  async #takeIn(by: Client, newest: { readonly id: string; seq: number }, name: string): Promise<void> {
    const input = { conversationId: newest.id, members: [name], clientKey: randomUUID() };
    const { addMembers } = await this.#ask(by, ADD, { input });
    if (!addMembers?.accepted) return void this.seen.open++;
    newest.seq = Math.max(newest.seq, addMembers.accepted.seq);
    const member = await clientOf(this.#reading, name);
    const wish = { conversationId: newest.id, text: 'hello', clientKey: randomUUID() };
    const { sendMessage } = await this.#ask(member, SEND, { input: wish });
    this.seen.sends++;
    if (sendMessage?.accepted) newest.seq = Math.max(newest.seq, sendMessage.accepted.seq);
    else if (sendMessage?.refused && !sendMessage.refused.retryable) this.seen.refused++;
    else this.seen.open++;
  }

  /** The data where there is no error, else nothing of it. */
  async #ask(by: Client, document: string, variables: Readonly<Record<string, unknown>>) {
    const began = performance.now();
    const { data, errors } = await by.post(document, variables);
    this.seen.slowestMs = Math.max(this.seen.slowestMs, Math.round(performance.now() - began));
    return errors.length > 0 ? {} : data;
  }
}
