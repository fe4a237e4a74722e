/** What is remembered of documents: only what came twice, within bounds, and at whose cost. */
import { describe, expect, it } from 'vitest';
import type { UserId } from '../schema/ids.ts';
import { Documents, type DocumentsOptions } from '../services/api/documents.ts';
import { codeOf } from '../services/api/errors.ts';
import { schemaWith } from '../services/api/resolvers/schema.ts';
import { Buckets } from '../services/buckets.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const SCHEMA = schemaWith();
const ENDLESS = { charge: () => {}, wait: () => 0 };

const opened = (more: Partial<DocumentsOptions> = {}) =>
  new Documents(SCHEMA, { introspection: true, work: ENDLESS, ...more });
const query = (i: number): string => `{ conversation(id: "c${i}") { id title lastSeq } }`;
const documentOf = (documents: Documents, text: string, user = alice) => {
  const prepared = documents.prepare(text, undefined, user);
  if (prepared.kind === 'bad') throw prepared.errors[0];
  return prepared.document;
};

describe('a document', () => {
  it('is remembered when it comes a second time, and is the same from then on', () => {
    const documents = opened();
    const first = documentOf(documents, query(1));
    expect(documents.held).toEqual({ documents: 0, weight: 0, seen: 1 });
    const second = documentOf(documents, query(1));
    expect(second).not.toBe(first);
    expect(documents.held).toEqual({ documents: 1, weight: documents.weightOf(second), seen: 0 });
    expect(documentOf(documents, query(1))).toBe(second);
  });

  it('that came once leaves a hash, and only so many of them', () => {
    const documents = opened({ limits: { seen: 100 } });
    for (let i = 0; i < 1_000; i++) documentOf(documents, query(i));
    expect(documents.held).toEqual({ documents: 0, weight: 0, seen: 100 });
    documentOf(documents, query(999));
    documentOf(documents, query(0));
    expect(documents.held).toMatchObject({ documents: 1, seen: 100 });
  });

  it('that was not used for longest goes when all together weigh too much', () => {
    const documents = opened({ limits: { weight: 1_000 } });
    const hot = query(1_000_000);
    for (let i = 0; i < 200; i++) for (const text of [query(i), query(i), hot]) documentOf(documents, text);
    const { weight, documents: count } = documents.held;
    expect(weight).toBeLessThanOrEqual(1_000);
    expect(weight).toBeGreaterThan(800);
    expect(count).toBeGreaterThan(5);
    expect(documentOf(documents, hot)).toBe(documentOf(documents, hot));
  });

  it('weighs its tokens, its nodes, and its text', () => {
    const documents = opened();
    const short = documents.weightOf(documentOf(documents, '{ me { id } }'));
    const long = documents.weightOf(documentOf(documents, `{ me { id } } ${'#'.repeat(80_000)}`));
    expect(short).toBeGreaterThanOrEqual(12);
    expect(long - short).toBeGreaterThanOrEqual(999);
  });

  it('that is not known is charged to its sender, one that is costs nothing', () => {
    let now = 0;
    const work = new Buckets({ perSecond: 100, burst: 200 }, () => now);
    const documents = opened({ work });
    const refused = (text: string, user: UserId) => {
      const prepared = documents.prepare(text, undefined, user);
      return prepared.kind === 'bad' ? prepared.errors.map((error) => [codeOf(error), error.extensions]) : [];
    };
    for (let i = 0; i < 2; i++) documentOf(documents, query(1));
    let sent = 2;
    while (refused(query(sent), alice).length === 0) sent++;
    expect(sent).toBeLessThan(20);
    const [[code, extensions] = []] = refused(query(99), alice);
    expect([code, extensions]).toEqual([
      'RATE_LIMITED',
      { code: 'RATE_LIMITED', retryable: true, retryAfterMs: expect.any(Number) },
    ]);
    expect(refused(query(1), alice)).toEqual([]);
    expect(refused(query(99), bob)).toEqual([]);
    now += 1_000;
    expect(refused(query(100), alice)).toEqual([]);
    // What cannot be read or is not valid costs, too.
    for (const bad of ['{', '{ nothing }'])
      expect(Array.from({ length: 200 }, () => refused(bad, bob)[0]?.[0]).at(-1)).toBe('RATE_LIMITED');
  });
});
