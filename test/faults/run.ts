/**
 * A fault run: real processes under load, killed by a seeded plan; then what was promised is compared with what is stored.
 *
 *   npm run faults [-- --seed N] [--minutes M | --scenario mongod-minute|provider-minute|notifier-kills]
 *
 * Exit code 0 only if every invariant held. The last line is `N passed, N failed`.
 */
import { parseArgs } from 'node:util';
import { carryOut, killAtPushes } from './carry-out.ts';
import { pause } from './commands.ts';
import { Phones } from './phones.ts';
import { type Plan, planOf, planOfScenario, SCENARIOS, type Scenario } from './plan.ts';
import { randomOf } from './random.ts';
import { Reader, type ReaderOptions, readPages } from './readers.ts';
import { Recorder } from './recorder.ts';
import { report } from './report.ts';
import { quietDown, type Run } from './rest.ts';
import { Senders } from './senders.ts';
import { openWorld, type World } from './world.ts';

const SHORT_MINUTES = 0.9;
const PROGRESS_MS = 15_000;
const PAGE_READERS = 4;
/** In the scenario of kills at pushes. */
const KILL_EVERY_MS = 9_000;
const SLOW_ANSWER_MS = 150;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Asked {
  readonly seed: number;
  readonly scenario: Scenario | undefined;
  readonly plan: Plan;
  readonly loadMs: number;
}

/** Undefined: not understood. */
function askedOf(): Asked | undefined {
  const option = { type: 'string' } as const;
  const { values } = parseArgs({ options: { seed: option, minutes: option, scenario: option } });
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const minutes = values.minutes === undefined ? SHORT_MINUTES : Number(values.minutes);
  const scenario = SCENARIOS.find((name) => name === values.scenario);
  if (!Number.isSafeInteger(seed) || !(minutes > 0) || scenario !== values.scenario) return undefined;
  if (scenario) {
    const plan = planOfScenario(scenario);
    return { seed, scenario, plan, loadMs: plan.loadMs };
  }
  const loadMs = minutes * 60_000;
  return { seed, scenario, plan: planOf(randomOf(seed).fork('plan'), loadMs), loadMs };
}

async function main(): Promise<number> {
  const asked = askedOf();
  if (!asked) {
    say(`usage: npm run faults [-- --seed N] [--minutes M | --scenario ${SCENARIOS.join('|')}]`);
    return 2;
  }
  const { seed, scenario, loadMs } = asked;
  const recorder = new Recorder();
  const what = scenario === undefined ? '' : `${scenario}, `;
  say(`faults: ${what}seed ${seed}, ${Math.round(loadMs / 1_000)} s of load (again: --seed ${seed})`);
  const world = await openWorld(recorder);
  const stop = () => void world.stop().then(() => process.exit(130));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await runIn(world, recorder, asked);
  } finally {
    await world.stop();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

async function runIn(world: World, recorder: Recorder, { seed, scenario, plan, loadMs }: Asked): Promise<number> {
  const random = randomOf(seed);
  const { doors, secret, gateways } = world;
  const common = { doors, secret, recorder };
  const senders = new Senders({ ...common, random: random.fork('senders') });
  const diesAt = Date.now() + loadMs / 2;
  const phones = new Phones({ ...common, gateways, diesAt, random: random.fork('phones') });
  await phones.prepare();
  await senders.prepare();
  say(`${WORLD} are up, with ${recorder.counted('accepted')} messages and ${phones.devices.length} phones`);
  const readers = readersOf(senders, { ...common, random: random.fork('readers') });
  const run: Run = { world, recorder, senders, readers, phones };
  for (const reader of readers) reader.start();
  senders.start();
  phones.start();
  const calm = new AbortController();
  const pages = { users: senders.users, lanes: [...senders.openLanes], ...common, random: random.fork('pages') };
  const reading = Array.from({ length: PAGE_READERS }, () => readPages(pages, calm.signal));
  const progress = setInterval(() => say(`  ${recorder.counts}`), PROGRESS_MS);
  const began = performance.now();
  const stage = { world, recorder, say };
  if (scenario === 'notifier-kills') gateways.answerMs = SLOW_ANSWER_MS;
  const kills = scenario === 'notifier-kills' ? killAtPushes(stage, KILL_EVERY_MS, calm.signal) : Promise.resolve(0);
  await carryOut(stage, plan);
  await pause(Math.max(0, loadMs - (performance.now() - began)));
  clearInterval(progress);
  calm.abort();
  await Promise.all(reading);
  const killed = 2 * (await kills);
  const problems = await quietDown(run);
  return report(run, { plan, seed, problems, kills: killed }, say);
}

const WORLD = 'two api processes, a projector, two notifiers, nats-server and mongod';

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

process.exitCode = await main();
