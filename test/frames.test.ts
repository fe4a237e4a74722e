/** What of a subscription's document decides that two readers share an execution, and what comes out of one. */
import { type DocumentNode, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { LaneEvent } from '../schema/events.ts';
import type { ClientKey, LaneId, Seq, UserId } from '../schema/ids.ts';
import { Frames } from '../services/api/frames.ts';
import { eventResolvers } from '../services/api/resolvers/events.ts';
import { schemaWith } from '../services/api/resolvers/schema.ts';
import { FOLLOW, FRAME_SCHEMA, QUIET } from './support/stream-rig.ts';

const LANE = 'c1' as LaneId;
const frames = new Frames({ schema: FRAME_SCHEMA, log: QUIET });
const event: LaneEvent = {
  type: 'MessageSent',
  seq: 2 as Seq,
  at: 1_700_000_000_000,
  by: 'alice' as UserId,
  key: 'k' as ClientKey,
  hash: '',
  text: 'hi "there"\n',
};
const source = { __typename: 'MessageSent', lane: LANE, seq: 2, event } as const;

const asked = (document: DocumentNode, variables?: Record<string, unknown>, admin = false, operationName?: string) => {
  const parsed = frames.parse({ document, variables, admin, operationName });
  if (parsed.kind === 'bad') throw parsed.error;
  return parsed.asked;
};
const refusalOf = (text: string, variables?: Record<string, unknown>): unknown => {
  const parsed = frames.parse({ document: parse(text), variables, admin: false });
  return parsed.kind === 'bad' && parsed.error.extensions;
};
const keyOf = (...args: Parameters<typeof asked>): string => asked(...args).operation.key;
const answer = (document: DocumentNode, variables?: Record<string, unknown>, operationName?: string): unknown => {
  const part = frames.execute(asked(document, variables, false, operationName).operation, source);
  if (part instanceof Promise) throw new Error('it was to be there at once');
  return JSON.parse(part.utf8.toString());
};

describe('a subscription', () => {
  it('says which lane and from where, by variable, by literal or not at all', () => {
    expect(asked(FOLLOW, { id: 'c1', after: 7 })).toMatchObject({ lane: 'c1', after: 7 });
    expect(asked(FOLLOW, { id: 'c1' })).toMatchObject({ lane: 'c1', after: null });
    expect(asked(FOLLOW, { id: 'c1', after: null })).toMatchObject({ after: null });
    expect(asked(parse('subscription { conversation(id: "c2", after: 0) { seq } }'))).toMatchObject({
      lane: 'c2',
      after: 0,
    });
    const byDefault = parse('subscription($id: ID! = "c3") { conversation(id: $id) { seq } }');
    expect(asked(byDefault)).toMatchObject({ lane: 'c3', after: null });
  });

  it('finds its field below fragments, and its operation by name', () => {
    const document = parse(`
      query Other { me { id } }
      subscription Follow($id: ID!) { ...Root }
      fragment Root on Subscription { ... on Subscription { stream: conversation(id: $id) { ...Seq } } }
      fragment Seq on ConversationFrame { seq }`);
    expect(asked(document, { id: 'c1' }, false, 'Follow').lane).toBe('c1');
    expect(answer(document, { id: 'c1' }, 'Follow')).toEqual({ data: { stream: { seq: 2 } } });
  });

  it('is refused with a typed error where it is not acceptable', () => {
    const bad = { code: 'BAD_USER_INPUT', retryable: false };
    expect(refusalOf('subscription($id: ID!) { conversation(id: $id) { seq } }', {})).toEqual(bad);
    expect(refusalOf('subscription($id: ID!) { conversation(id: $id) { seq } }', { id: { a: 1 } })).toEqual(bad);
    expect(refusalOf('subscription($a: Int) { conversation(id: "c1", after: $a) { seq } }', { a: 'x' })).toEqual(bad);
    expect(refusalOf('subscription { conversation(id: "c.1") { seq } }')).toEqual(bad);
    expect(refusalOf('subscription { conversation(id: "c1", after: -1) { seq } }')).toEqual(bad);
    expect(refusalOf('subscription { conversation(id: "c1") @skip(if: true) { seq } }')).toEqual(bad);
    expect(
      refusalOf('subscription($yes: Boolean!) { conversation(id: "c1") @include(if: $yes) { seq } }', { yes: false }),
    ).toEqual(bad);
    expect(
      refusalOf('subscription A { conversation(id: "c1") { seq } } subscription B { conversation(id: "c1") { seq } }'),
    ).toEqual(bad);
  });
});

describe('an execution', () => {
  it('is shared by readers of other lanes and positions, and of nothing else that differs', () => {
    const key = keyOf(FOLLOW, { id: 'c1', after: 7 });
    expect(keyOf(FOLLOW, { id: 'c1' })).toBe(key);
    expect(keyOf(FOLLOW, { id: 'c1', after: 3, unknown: 1 })).toBe(key);
    expect(keyOf(FOLLOW, { id: 'c1' }, true)).not.toBe(key);
    expect(keyOf(parse('subscription { conversation(id: "c1") { seq } }'))).not.toBe(key);

    const used = parse(`subscription($id: ID!, $long: Boolean = true, $after: Int) {
      conversation(id: $id, after: $after) { seq ... on MessageSent @include(if: $long) { message { text } } } }`);
    expect(keyOf(used, { id: 'c1', long: true })).toBe(keyOf(used, { id: 'c1', after: 4 }));
    expect(keyOf(used, { id: 'c1', long: false })).not.toBe(keyOf(used, { id: 'c1' }));

    const elsewhere = parse(`
      subscription Follow($id: ID!, $after: Int!) { conversation(id: $id, after: $after) { seq } }
      query Read($after: Int!) { message(conversationId: "c1", seq: $after) { text } }`);
    const keys = [1, 2].map((after) => keyOf(elsewhere, { id: 'c1', after }, false, 'Follow'));
    // A variable that anything else in the document uses counts: at worst something is done twice.
    expect(keys[0]).not.toBe(keys[1]);
  });

  it('has a short name, however long what was asked', () => {
    const document = parse(
      'subscription($id: ID!, $x: String) { conversation(id: $id) { seq @include(if: true) __typename } }',
    );
    expect(keyOf(document, { id: 'c1', x: 'x'.repeat(8_000) }).length).toBeLessThan(300);
    expect(asked(FOLLOW, { id: 'c1', other: 'x' }).operation.variables).toEqual({ id: 'c1' });
  });

  it('gives the answer at once, as JSON in UTF-8, with the position after it', () => {
    const part = frames.execute(asked(FOLLOW, { id: 'c1' }).operation, source);
    expect(part).toMatchObject({ seq: 2 });
    expect(answer(FOLLOW, { id: 'c1' })).toEqual({
      data: {
        conversation: {
          __typename: 'MessageSent',
          conversationId: 'c1',
          seq: 2,
          at: '2023-11-14T22:13:20.000Z',
          by: { id: 'alice' },
          message: { id: 'c1:2', text: 'hi "there"\n', sender: { id: 'alice', name: 'ALICE' }, clientKey: 'k' },
        },
      },
    });
  });

  it('shows what this version knows', () => {
    expect(['MessageSent', 'StreamStarted', 'MessageEdited'].map((type) => frames.shows(type))).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('masks what went wrong in a field, and waits for fields that wait', async () => {
    const broken = (name: () => unknown) =>
      new Frames({
        schema: schemaWith({ ...eventResolvers, User: { id: (user: UserId) => user, name } }),
        log: QUIET,
      });
    const failing = broken(() => {
      throw new Error('the password is 123');
    });
    const { operation } = asked(FOLLOW, { id: 'c1' });
    const part = await failing.execute(operation, source);
    expect(part.utf8.toString()).not.toContain('123');
    const { data, errors } = JSON.parse(part.utf8.toString());
    expect(data.conversation.message).toMatchObject({ text: 'hi "there"\n', sender: { id: 'alice', name: null } });
    expect(errors).toMatchObject([
      { path: ['conversation', 'message', 'sender', 'name'], extensions: { code: 'INTERNAL_SERVER_ERROR' } },
    ]);

    const waiting = broken(() => Promise.resolve('Alice')).execute(operation, source);
    expect(waiting).toBeInstanceOf(Promise);
    expect(JSON.parse((await waiting).utf8.toString()).data.conversation.message.sender.name).toBe('Alice');
  });
});
