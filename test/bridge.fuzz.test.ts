/** Requests that nobody would write: no crash, no growth, and every reply is one of the four forms. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../bridge/answers.ts';
import type { Commands } from '../bridge/commands.ts';
import { parseBody } from '../bridge/json.ts';
import { openCommands } from '../bridge/open-commands.ts';
import { ACCEPTED, ERRONEOUS, REFUSED, replySchema } from '../bridge/replies.ts';
import { isVerb, REQUESTS, type Verb } from '../bridge/requests.ts';
import { translate } from '../bridge/translate.ts';
import { type AppId, type LaneId, seqOf, userOfApp } from '../schema/ids.ts';
import { Lanes } from '../services/journal/lanes.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { MemoryReceipts } from '../services/journal/receipts-memory.ts';
import { BadInput } from '../services/lane/parse.ts';
import { Mongo } from '../services/views/connect.ts';
import { openReads } from '../services/views/reads.ts';
import { clientOf } from './support/api.ts';
import { groupOf } from './support/chat.ts';
import { startCommanding } from './support/commanding.ts';
import { silent } from './support/doors.ts';
import { NO_HISTORY } from './support/stream-rig.ts';

const RUNS = 100_000;
/** Of them so many are under way together: without MongoDB some wait a second for it. */
const AT_ONCE = 2_000;
/** Without deciding and answering. */
const TRANSLATED = 20_000;
const OVER_THE_WIRE = 3_000;
/** The forms are counted, not their details: this is the bound on what may be left in memory after the runs. */
const GROWTH_BYTES = 48 * 1024 * 1024;

const BOTS = ['bot', 'bot1', 'bot2', 'bot3'] as AppId[];
const [BOT = '' as AppId] = BOTS;
const LANE = 'c1' as LaneId;
const VERBS = Object.keys(REQUESTS) as readonly Verb[];
const FIELDS = [
  ...new Set(Object.values(REQUESTS).flatMap((request) => Object.keys(request.shape))),
  ...['__proto__', 'constructor', 'toString', '$where', 'text ', ''],
];
const encoder = new TextEncoder();

const strange = fc.oneof(
  fc.constantFrom('', '*', '>', 'a.b', '$JS', '\u0000', '\ud800', 'é', 'x'.repeat(65), 'czE6MQ', '../..', ' '),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(0, -1, 1, 1.5, 2 ** 53, -0, 1e308),
  fc.constantFrom(null, true, [], {}, [[]], { $gt: '' }),
  fc.jsonValue({ maxDepth: 4 }),
);
/** More often right than wrong, so that what is behind the first check is met, too. */
const good: Record<string, fc.Arbitrary<unknown>> = {
  conversationId: fc.constantFrom(LANE, 'c2', 'nowhere'),
  id: fc.constantFrom('c1', 'c2', 'c3'),
  clientKey: fc.stringMatching(/^[a-z0-9]{1,6}$/),
  text: fc.string({ minLength: 1, maxLength: 20 }),
  title: fc.string({ minLength: 1, maxLength: 20 }),
  members: fc.array(fc.constantFrom('alice', 'bob', 'app_bot'), { maxLength: 3 }),
  member: fc.constantFrom('alice', 'bob', 'carol', 'app_bot'),
  with: fc.constantFrom('alice', 'bob'),
  hideHistory: fc.boolean(),
  seq: fc.integer({ min: 0, max: 20 }),
  after: fc.integer({ min: 0, max: 20 }),
  upTo: fc.integer({ min: 0, max: 20 }),
  first: fc.integer({ min: 1, max: 100 }),
  marks: fc.array(fc.record({ conversationId: fc.constantFrom(LANE, 'c2'), seq: fc.integer({ min: 0, max: 3 }) }), {
    minLength: 1,
    maxLength: 4,
  }),
  requestId: fc.constant('r1'),
  as: fc.constant('app_bot'),
};
const fieldOf = (name: string): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 12, arbitrary: good[name] ?? strange }, { weight: 1, arbitrary: strange });

const shaped = (verb: Verb): fc.Arbitrary<object> => {
  const { shape } = REQUESTS[verb];
  const fields = Object.fromEntries(Object.keys(shape).map((name) => [name, fieldOf(name)]));
  const optional = Object.entries(shape).flatMap(([name, field]) => (field.safeParse(undefined).success ? [name] : []));
  const required = Object.keys(fields).filter((name) => !optional.includes(name));
  const usual = fc.record(fields, { requiredKeys: required });
  const holed = fc.record(fields, { requiredKeys: [] });
  const more = fc.dictionary(fc.constantFrom(...FIELDS), strange, { maxKeys: 2 });
  return fc.oneof(
    { weight: 6, arbitrary: usual },
    { weight: 1, arbitrary: holed },
    { weight: 1, arbitrary: fc.tuple(usual, more).map(([one, other]) => ({ ...one, ...other })) },
  );
};
const bytesOf = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));
/** A body that was right once: bytes are changed, left out, or doubled. */
const damaged = fc
  .tuple(fc.constantFrom(...VERBS).chain(shaped), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat({ max: 3 }))
  .map(([value, place, byte, kind]) => {
    const bytes = [...bytesOf(value)];
    const at = place % (bytes.length + 1);
    if (kind === 0) bytes.splice(at, 1, byte);
    else if (kind === 1) bytes.splice(at);
    else if (kind === 2) bytes.splice(at, 0, ...bytes.slice(0, at));
    else bytes.splice(at, 3);
    return Uint8Array.from(bytes);
  });
interface Request {
  readonly verb: string;
  readonly body: Uint8Array;
}
const anyRequest: fc.Arbitrary<Request> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(...VERBS)
      .chain((verb) => fc.record({ verb: fc.constant(verb), body: shaped(verb).map(bytesOf) })),
  },
  { weight: 2, arbitrary: fc.record({ verb: fc.constantFrom<string>(...VERBS), body: damaged }) },
  {
    weight: 1,
    arbitrary: fc.record({
      verb: fc.oneof(fc.constantFrom<string>(...VERBS), fc.string({ maxLength: 20 })),
      body: fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.json().map((json) => encoder.encode(json)),
      ),
    }),
  },
);

const ERROR_CODES = new Map<string, number>([
  ...([
    ['BAD_USER_INPUT', 400],
    ['FORBIDDEN', 403],
    ['NOT_FOUND', 404],
    ['UNAVAILABLE', 503],
  ] as const),
  ...([['RATE_LIMITED', 429]] as const),
]);

/** Throws what is wrong with it. */
function check(verb: string, { json, errorCode, errorText }: Reply): string {
  const [form = '', ...more] = Object.keys(json);
  expect(more).toEqual([]);
  if ('errors' in json) {
    const { code } = json.errors[0].extensions;
    if (errorCode !== ERROR_CODES.get(code) && errorCode !== 413) throw new Error(`${verb}: ${JSON.stringify(json)}`);
    if (errorText === undefined || !ERRONEOUS.safeParse(json).success) throw new Error(JSON.stringify(json));
    return code;
  }
  if (errorCode !== undefined || !isVerb(verb)) throw new Error(`${verb}: ${JSON.stringify(json)}`);
  const schema = form === 'refused' ? REFUSED : form === 'accepted' ? ACCEPTED : replySchema(verb);
  if (!schema.safeParse(json).success) throw new Error(`${verb}: ${JSON.stringify(json)}`);
  return form;
}

/** Commands on lanes in memory, without MongoDB. */
async function openMemory() {
  const journal = new MemoryJournal({ partitions: 2 });
  const lanes = new Lanes(journal, { maxWeight: 20_000, log: silent });
  const reads = openReads(NO_HISTORY, journal);
  const mongo = new Mongo({ url: 'mongodb://127.0.0.1:1/x', auth: null } as never, silent, {
    socketTimeoutMs: 100,
    maxPoolSize: 1,
  });
  const rate = { perSecond: 1e9, burst: 1e9 };
  const { commands, stop } = openCommands({
    ...{ journal, lanes, reads, mongo, history: NO_HISTORY, clock: Date.now, log: silent, registry: new Registry() },
    receipts: new MemoryReceipts({ partitions: 2 }),
    config: { create: 'users', membersAdd: 'owner', sends: rate },
    integrations: { get: (app) => ({ app, scope: 'member', secretHash: '', createdAt: 0 }) },
    replay: async (_, { after }) => ({ kind: 'started', replayId: 'r', from: after + 1, to: after }),
  });
  const create = bytesOf({ id: LANE, members: BOTS.map(userOfApp), clientKey: 'first' });
  expect((await commands.handle(BOT, 'create', create)).json).toHaveProperty('accepted');
  return {
    commands,
    stop: async () => {
      await stop();
      await mongo.close();
    },
  };
}

/** What is still held when everything else is swept. */
const collect = (): number => {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
};

describe('requests that are fuzzed', () => {
  it(`are translated, or are bad input: ${TRANSLATED.toLocaleString('en-US')} of them`, () => {
    const before = collect();
    const seen = { fine: 0, bad: 0 };
    fc.assert(
      fc.property(anyRequest, ({ verb, body }) => {
        if (!isVerb(verb)) return;
        try {
          translate(BOT, verb, parseBody(body));
          seen.fine++;
        } catch (error) {
          if (!(error instanceof BadInput)) throw error;
          seen.bad++;
        }
      }),
      { numRuns: TRANSLATED },
    );
    expect(seen.fine).toBeGreaterThan(TRANSLATED / 10);
    expect(seen.bad).toBeGreaterThan(TRANSLATED / 10);
    expect(collect() - before).toBeLessThan(GROWTH_BYTES);
  }, 240_000);

  it('are JSON exactly when JSON.parse says so, but for what is ambiguous', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6, noUnicodeString: false }), (text) => {
        let value: unknown;
        try {
          value = parseBody(encoder.encode(text));
        } catch (error) {
          if (!(error instanceof BadInput)) throw error;
          expect(error.message).toMatch(/given once|no NUL|levels|no such field|UTF-8/);
          return;
        }
        expect(value).toEqual(JSON.parse(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it(`are answered in one of four forms: ${RUNS.toLocaleString('en-US')} of them on lanes in memory`, async () => {
    const { commands, stop } = await openMemory();
    const forms = new Map<string, number>();
    const count = (form: string): void => void forms.set(form, (forms.get(form) ?? 0) + 1);
    await handleAll(commands, RUNS / 20, count);
    const before = collect();
    await handleAll(commands, RUNS, count);
    const grown = collect() - before;
    expect(commands.size).toBe(0);
    await stop();
    expect([...forms.keys()]).toEqual(expect.arrayContaining(['accepted', 'refused', 'result', 'BAD_USER_INPUT']));
    expect(forms.get('INTERNAL_SERVER_ERROR')).toBeUndefined();
    // The lanes in memory themselves grow with what is accepted, some hundred bytes each.
    expect(grown).toBeLessThan(GROWTH_BYTES + 1_500 * (forms.get('accepted') ?? 0));
  }, 240_000);

  it(`are answered over the wire: ${OVER_THE_WIRE.toLocaleString('en-US')} of them on real servers`, async () => {
    const house = await startCommanding(async () => ({ kind: 'not-found' }));
    try {
      const alice = await clientOf(house.api, 'alice');
      const bot = await house.enter();
      await groupOf(alice, [userOfApp(bot.app)]);
      const requests = fc.sample(anyRequest, OVER_THE_WIRE).filter(({ verb }) => isVerb(verb));
      for (let i = 0; i < requests.length; i += 100) {
        const some = requests.slice(i, i + 100).map(async ({ verb, body }) => {
          const { json, headers } = await bot.raw(verb, body);
          const code = headers?.get('Nats-Service-Error-Code');
          const errorText = headers?.get('Nats-Service-Error');
          check(verb, { json, ...(code ? { errorCode: Number(code), errorText: errorText ?? '' } : {}) });
        });
        await Promise.all(some);
      }
      expect(house.commands.size).toBe(0);
      const { json } = await bot.raw('create', bytesOf({ members: [], clientKey: `k${seqOf(1)}` }));
      expect(json).toHaveProperty('accepted');
    } finally {
      await house.stop();
    }
  }, 180_000);
});

async function handleAll(commands: Commands, runs: number, count: (form: string) => void): Promise<void> {
  const together = fc.array(anyRequest, { minLength: AT_ONCE, maxLength: AT_ONCE });
  await fc.assert(
    fc.asyncProperty(together, async (requests) => {
      const replies = await Promise.all(
        requests.map(({ verb, body }, i) => commands.handle(BOTS[i % BOTS.length] ?? BOT, verb, body)),
      );
      for (const [i, reply] of replies.entries()) count(check(requests[i]?.verb ?? '', reply));
    }),
    { numRuns: Math.ceil(runs / AT_ONCE) },
  );
}
