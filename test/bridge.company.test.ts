/** Which integrations are told of which event, against the one rule of who sees what. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Companies } from '../bridge/companies.ts';
import { type Company, companyAt, NOBODY, toldOf } from '../bridge/company.ts';
import { externalCaughtUp, externalEvent, externalReset } from '../bridge/external.ts';
import type { LaneEvent } from '../schema/events.ts';
import { type AppId, parseAppId, revisionOf, userOfApp } from '../schema/ids.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { emptyLane, evolve, type Lane, visible } from '../services/lane/lane.ts';
import { LANE } from './support/commands.ts';
import { LaggingJournal } from './support/lagging-journal.ts';
import { silent } from './support/projecting.ts';

const APPS = ['one', 'two', 'three'].map((name) => parseAppId(name) as AppId);

/** A lane's life: who comes and goes, and messages between. */
const anyone = fc.constantFrom('alice', 'bob', ...APPS.map(userOfApp));
const wish = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'say' } as const) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('come' as const),
      who: fc.uniqueArray(anyone, { minLength: 1, maxLength: 3 }),
      hidden: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('go' as const), who: anyone }) },
);
const life = fc.record({
  first: fc.uniqueArray(anyone, { minLength: 1, maxLength: 4 }),
  rest: fc.array(wish, { maxLength: 40 }),
});

function eventsOf({
  first,
  rest,
}: {
  first: string[];
  rest: { kind: string; who?: string | string[]; hidden?: boolean }[];
}): LaneEvent[] {
  const events: LaneEvent[] = [];
  const members = new Set(first);
  const add = (body: object): void => {
    const seq = events.length + 1;
    events.push({ ...body, seq, at: 1_000 + seq, by: 'alice', key: `k${seq}`, hash: 'h' } as never);
  };
  add({ type: 'ConversationCreated', kind: 'GROUP', members: first });
  for (const { kind, who, hidden } of rest) {
    if (kind === 'say') add({ type: 'MessageSent', text: 'hi' });
    if (kind === 'come') {
      const come = (who as string[]).filter((one) => !members.has(one));
      for (const one of come) members.add(one);
      if (come.length > 0) add({ type: 'MembersAdded', members: come, ...(hidden ? { hideHistory: true } : {}) });
    }
    if (kind === 'go' && members.delete(who as string)) add({ type: 'MemberRemoved', member: who });
  }
  return events;
}

describe('the company of a lane', () => {
  it('is told exactly what its members may see when it happens, and of each stay first what names it', () => {
    fc.assert(
      fc.property(life, (given) => {
        let lane: Lane = emptyLane(LANE);
        let company: Company = NOBODY;
        for (const event of eventsOf(given)) {
          const before = lane;
          lane = evolve(lane, event);
          const told = toldOf(company, event);
          for (const app of APPS) {
            const user = userOfApp(app);
            expect(told.apps.has(app)).toBe(visible(lane, user, false, event.seq));
            expect(told.begins.has(app)).toBe(!before.members.has(user) && lane.members.has(user));
            expect(told.after.has(app)).toBe(lane.members.has(user));
          }
          company = told.after;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is found in a newer state, or not at all, and never wrong', () => {
    fc.assert(
      fc.property(life, fc.nat(), fc.nat(), (given, a, b) => {
        const events = eventsOf(given);
        const [seq, newer] = [a % (events.length + 1), b % (events.length + 1)].sort((x, y) => x - y) as [
          number,
          number,
        ];
        let company: Company = NOBODY;
        for (const event of events.slice(0, seq)) company = toldOf(company, event).after;
        const lane = events.slice(0, newer).reduce(evolve, emptyLane(LANE));
        const found = companyAt(lane, seq);
        if (found) expect([...found].sort()).toEqual([...company].sort());
        else
          expect(
            events
              .slice(seq, newer)
              .some(
                ({ type }) => type === 'MembersAdded' || type === 'MemberRemoved' || type === 'ConversationCreated',
              ),
          ).toBe(true);
        expect(companyAt(lane, newer + 1)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});

describe('an event of a later version', () => {
  it('keeps its place and shows nothing of what it says', () => {
    const event = { type: 'Later', seq: 3, at: 1_000, by: 'alice', key: 'k', hash: 'h', secret: 1 } as never;
    expect(externalEvent(LANE, event)).toEqual({
      ...{ type: 'Later', conversationId: 'c1', seq: 3 },
      ...{ at: '1970-01-01T00:00:01.000Z', by: { id: 'alice' } },
    });
  });
});

describe('the forms of what integrations get', () => {
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
  const schemaOf = (path: string) => {
    const { examples: _, ...json } = read(path);
    return z.fromJSONSchema(json);
  };

  it('are those of the published schemas', () => {
    const schemas = new Map(
      ['ConversationCreated', 'MessageSent', 'MembersAdded', 'MemberRemoved'].map((type) => [
        type,
        schemaOf(`schema/events/${type}.json`),
      ]),
    );
    fc.assert(
      fc.property(life, (given) => {
        for (const event of eventsOf(given)) {
          const form = JSON.parse(JSON.stringify(externalEvent(LANE, event)));
          expect(schemas.get(event.type)?.safeParse(form).error).toBeUndefined();
        }
      }),
    );
    expect(schemaOf('schema/frames/Reset.json').safeParse(externalReset(LANE, 4, 'TOO_FAR_BEHIND')).success).toBe(true);
    expect(schemaOf('schema/frames/CaughtUp.json').safeParse(externalCaughtUp(LANE, 4)).success).toBe(true);
  });

  it.each(readdirSync('schema/frames'))('%s fits its examples, and lets none of them be left out', (file) => {
    const { examples, required } = read(`schema/frames/${file}`);
    const schema = schemaOf(`schema/frames/${file}`);
    for (const example of examples) {
      expect(schema.safeParse({ ...example, later: 1 }).error).toBeUndefined();
      for (const name of required) expect(schema.safeParse({ ...example, [name]: undefined }).success).toBe(false);
    }
  });
});

describe('the company of a record', () => {
  it('is told from the whole lane, however far the replica that answers is behind', async () => {
    const [one] = APPS as [AppId];
    const rest = [{ kind: 'say' }, { kind: 'go', who: userOfApp(one) }];
    const store = new MemoryJournal({ partitions: 1 });
    for (const [i, event] of eventsOf({ first: ['alice', userOfApp(one)], rest }).entries())
      await store.append({ v: 1, id: `r${i}`, lane: LANE, events: [event] }, revisionOf(i));
    const { records } = await store.read(LANE, revisionOf(2), { limit: 1 });
    const lanes = new Lanes(store, { maxWeight: 1_000, log: silent });
    const companies = new Companies({ journal: new LaggingJournal(store, 60), lanes, log: silent }, 10);
    expect(await companies.before(records)).toEqual([new Set([one])]);
  });
});
