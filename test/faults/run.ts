/**
 * A fault run: real processes under load, killed by a seeded plan; then what was promised is compared with what is stored.
 *
 *   npm run faults [-- --seed N] [--minutes M]
 *
 * Exit code 0 only if every invariant held. The last line is `N passed, N failed`.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { check } from './checker.ts';
import { pause } from './commands.ts';
import { type Fault, planOf } from './plan.ts';
import { type Random, randomOf } from './random.ts';
import { Reader, type ReaderOptions, readPages } from './readers.ts';
import { Recorder } from './recorder.ts';
import { Senders } from './senders.ts';
import { countEvents, readHistory, readLanes } from './stores.ts';
import { INVARIANTS, type Invariant, type StoredLaneRecord, type Violation } from './trace.ts';
import { openWorld, until, type World } from './world.ts';

const SHORT_MINUTES = 1.3;
/** For commands to settle, readers to reach the end, history to be whole. */
const SETTLE_MS = 60_000;
const PROGRESS_MS = 15_000;
const SHOWN = 5;
const PAGE_READERS = 4;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Run {
  readonly world: World;
  readonly recorder: Recorder;
  readonly senders: Senders;
  readonly readers: readonly Reader[];
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, minutes: { type: 'string' } } });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const minutes = values.minutes === undefined ? SHORT_MINUTES : Number(values.minutes);
  if (!Number.isSafeInteger(seed) || !(minutes > 0)) {
    say('usage: npm run faults [-- --seed N] [--minutes M]');
    return 2;
  }
  const random = randomOf(seed);
  const recorder = new Recorder();
  say(`faults: seed ${seed}, ${Math.round(minutes * 60)} s of load (again: --seed ${seed})`);
  const world = await openWorld(recorder);
  const stop = () => void world.stop().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await runIn(world, recorder, random, seed, minutes * 60_000);
  } finally {
    await world.stop();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

async function runIn(world: World, recorder: Recorder, random: Random, seed: number, loadMs: number): Promise<number> {
  const { doors, secret } = world;
  const senders = new Senders({ doors, secret, recorder, random: random.fork('senders') });
  await senders.prepare();
  say(`two api processes, a projector, nats-server and mongod are up, with ${recorder.counted('accepted')} messages`);
  const readers = readersOf(senders, { doors, secret, recorder, random: random.fork('readers') });
  const run: Run = { world, recorder, senders, readers };
  const plan = planOf(random.fork('plan'), loadMs);
  for (const reader of readers) reader.start();
  senders.start();
  const calm = new AbortController();
  const lanes = [...senders.openLanes];
  const pages = { users: senders.users, lanes, secret, doors, recorder, random: random.fork('pages') };
  const reading = Array.from({ length: PAGE_READERS }, () => readPages(pages, calm.signal));
  const progress = setInterval(() => say(`  ${recorder.counts}`), PROGRESS_MS);
  const began = performance.now();
  await carryOut(run, plan);
  await pause(Math.max(0, loadMs - (performance.now() - began)));
  clearInterval(progress);
  calm.abort();
  await Promise.all(reading);
  const problems = await quietDown(run);
  return report(run, plan, seed, problems);
}

/** Readers of one busy lane, of quiet ones, and of those whose members come and go. */
function readersOf(
  senders: Senders,
  common: Pick<ReaderOptions, 'doors' | 'secret' | 'recorder' | 'random'>,
): Reader[] {
  const [one, two, three] = senders.users as [string, string, string];
  const [tea, rain] = senders.openLanes.slice(1) as [string, string];
  const [first, second] = senders.races as [Senders['races'][number], Senders['races'][number]];
  const readers: Pick<ReaderOptions, 'user' | 'lane' | 'door' | 'dozes' | 'fromNow'>[] = [
    { user: one, lane: senders.hot, door: 'ws' },
    { user: two, lane: senders.hot, door: 'sse' },
    { user: three, lane: senders.hot, door: 'ws', dozes: true },
    { user: one, lane: senders.hot, door: 'sse', fromNow: true },
    { user: two, lane: tea, door: 'ws' },
    { user: three, lane: rain, door: 'sse', dozes: true },
    { user: first.owner.user, lane: first.lane, door: 'ws' },
    { user: first.guests[0] as string, lane: first.lane, door: 'ws' },
    { user: first.guests[1] as string, lane: first.lane, door: 'sse' },
    { user: second.guests[0] as string, lane: second.lane, door: 'ws' },
  ];
  return readers.map((reader, i) => {
    const name = `reader${i}`;
    return new Reader({ ...common, ...reader, name, random: common.random.fork(name) });
  });
}

async function carryOut({ world }: Run, plan: readonly Fault[]): Promise<void> {
  const began = performance.now();
  for (const { at, how, targets, forMs } of plan) {
    await pause(Math.max(0, at - (performance.now() - began)));
    const time = ((performance.now() - began) / 1000).toFixed(1);
    say(`  ${time} s: ${how === 'kill' ? 'kill -9' : 'stop'} ${targets.join(', ')} for ${(forMs / 1000).toFixed(1)} s`);
    if (how === 'kill') await Promise.all(targets.map((target) => world.kill(target)));
    else for (const target of targets) world.freeze(target);
    await pause(forMs);
    if (how === 'kill') await Promise.all(targets.map((target) => world.start(target)));
    else for (const target of targets) world.thaw(target);
  }
}

/** Everything is up, every command settled, every reader at the end, every record projected. Answers what did not come. */
async function quietDown({ world, recorder, senders, readers }: Run): Promise<string[]> {
  const problems: string[] = [];
  const reach = async (work: Promise<void>) => {
    await work.catch((error: Error) => problems.push(error.message));
  };
  await reach(world.ready());
  await reach(senders.stop(SETTLE_MS));
  const givenUp = recorder.counted('given up');
  if (givenUp > 0) problems.push(`${givenUp} commands had no answer in ${SETTLE_MS / 1000} s of calm`);
  const lanes = await readLanes(world.servers);
  for (const reader of readers) reader.calm();
  const isAtEnd = (reader: Reader) => reader.position >= lastSeqOf(lanes.get(reader.options.lane));
  await reach(
    until('every reader is at the end', SETTLE_MS, () => readers.every(isAtEnd)).finally(async () => {
      for (const reader of readers) await reader.stop();
    }),
  );
  const wanted = countEvents(lanes);
  const isWhole = async () => {
    const { history, parked } = await readHistory(world.servers.mongo.url);
    return [...history.values()].reduce((count, events) => count + events.length, 0) >= wanted || parked.length > 0;
  };
  await reach(until('history has every event', SETTLE_MS, isWhole));
  return problems;
}

const lastSeqOf = (records: readonly StoredLaneRecord[] = []): number => records.at(-1)?.events?.at(-1)?.seq ?? 0;

async function report(run: Run, plan: readonly Fault[], seed: number, problems: readonly string[]): Promise<number> {
  const { world, recorder } = run;
  const lanes = await readLanes(world.servers);
  const { history, parked } = await readHistory(world.servers.mongo.url);
  const trace = recorder.traceOf({ lanes, history, parked });
  const found: Violation[] = [...check(trace)];
  const verified = await world.lanes('verify');
  const rebuilt = await world.lanes('rebuild');
  const again = await readHistory(world.servers.mongo.url);
  for (const lane of new Set([...again.history.keys(), ...history.keys()]))
    if (rebuilt.code === 0 && JSON.stringify(again.history.get(lane)) !== JSON.stringify(history.get(lane)))
      found.push({ invariant: 'I7', lane, what: 'the rebuilt history differs' });
  say(`  ${recorder.counts}`);
  const kills = plan.filter(({ how }) => how === 'kill').flatMap(({ targets }) => targets);
  const acknowledged = recorder.counted('accepted');
  const unknown = recorder.counted('lost') + recorder.counted('OUTCOME_UNKNOWN');
  const events = countEvents(lanes);
  say(
    `${kills.length} kills, ${plan.length} faults · ${lanes.size} lanes, ${events} events · ${acknowledged} acknowledged, ${unknown} unknown outcomes`,
  );
  let failed = 0;
  for (const [name, promise] of Object.entries(INVARIANTS)) {
    const broken = found.filter(({ invariant }) => invariant === (name as Invariant));
    if (broken.length > 0) failed++;
    say(`${name} ${promise}: ${broken.length === 0 ? 'passed' : `FAILED, ${broken.length} times`}`);
    for (const violation of broken.slice(0, SHOWN)) say(`    ${JSON.stringify(violation)}`);
  }
  const others = [
    ['everything came to rest', problems.join('; ')],
    ['lanes verify', verified.code === 0 ? '' : verified.output.slice(-1_000)],
    ['lanes rebuild', rebuilt.code === 0 ? '' : rebuilt.output.slice(-1_000)],
  ] as const;
  for (const [name, problem] of others) {
    if (problem !== '') failed++;
    say(`${name}: ${problem === '' ? 'passed' : `FAILED: ${problem}`}`);
  }
  if (failed > 0) {
    const path = join(tmpdir(), `lanes-faults-${seed}.json`);
    writeFileSync(
      path,
      JSON.stringify({ seed, plan, problems, found, sessions: trace.sessions, attempts: trace.attempts }),
    );
    say(`what was recorded: ${path}`);
  }
  say(`${Object.keys(INVARIANTS).length + others.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
