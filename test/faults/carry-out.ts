/** Carries out a plan on the real processes, and keeps when what pushes need was down. */
import { pause } from './commands.ts';
import type { Fault, Plan, Trouble } from './plan.ts';
import type { Recorder } from './recorder.ts';
import { PUSHING, type Target, type World } from './world.ts';

interface Stage {
  readonly world: World;
  readonly recorder: Recorder;
  readonly say: (line: string) => void;
}

/** Settles when everything of it is over and mended again. */
export async function carryOut(stage: Stage, { faults, troubles }: Plan): Promise<void> {
  const began = performance.now();
  const inTurn = async <T extends Fault | Trouble>(
    all: readonly T[],
    one: (due: T) => Promise<void>,
  ): Promise<void> => {
    for (const due of all) {
      await pause(Math.max(0, due.at - (performance.now() - began)));
      const time = ((performance.now() - began) / 1000).toFixed(1);
      stage.say(`  ${time} s: ${wordsOf(due)} for ${(due.forMs / 1000).toFixed(1)} s`);
      await one(due);
    }
  };
  const gateways = new Set(troubles.map(({ gateway }) => gateway));
  await Promise.all([
    inTurn(faults, (fault) => strike(stage, fault)),
    ...[...gateways].map((name) =>
      inTurn(
        troubles.filter(({ gateway }) => gateway === name),
        (trouble) => bother(stage, trouble),
      ),
    ),
  ]);
}

const wordsOf = (due: Fault | Trouble): string =>
  'gateway' in due
    ? `${due.gateway} answers with ${due.how}`
    : `${due.how === 'kill' ? 'kill -9' : 'stop'} ${due.targets.join(', ')}`;

async function strike({ world, recorder }: Stage, { how, targets, forMs }: Fault): Promise<void> {
  const fromAt = Date.now();
  if (how === 'kill') await Promise.all(targets.map((target) => world.kill(target)));
  else for (const target of targets) world.freeze(target);
  await pause(forMs);
  if (how === 'kill') await Promise.all(targets.map((target) => world.start(target)));
  else for (const target of targets) world.thaw(target);
  const toAt = Date.now();
  for (const of of targets.filter((target: Target) => PUSHING.includes(target))) recorder.outage({ of, fromAt, toAt });
}

async function bother({ world, recorder }: Stage, { gateway, how, forMs }: Trouble): Promise<void> {
  const fromAt = Date.now();
  world.gateways.begin(gateway, how);
  await pause(forMs);
  world.gateways.end(gateway);
  recorder.outage({ of: gateway, fromAt, toAt: Date.now() });
}

/** At one of so many pushes: were it always the first of a life, what else was under way would never get further. */
const AT_PUSH_MAX = 30;
/** After a kill it is begun again within so long. */
const BEGUN_AGAIN_MS = 1_000;

/**
 * Until `signal` aborts: both notifiers are killed at the moment at which a provider has taken a push, before its answer is
 * written, again and again. Answers how often.
 */
export async function killAtPushes(
  { world, recorder, say }: Stage,
  everyMs: number,
  signal: AbortSignal,
): Promise<number> {
  const targets = ['notifier-0', 'notifier-1'] as const;
  let times = 0;
  while (!signal.aborted) {
    await pause(everyMs * (0.5 + Math.random()));
    if (signal.aborted) break;
    let passed = Math.floor(Math.random() * AT_PUSH_MAX);
    const killed = new Promise<number>((resolve) => {
      world.gateways.onTaken = () => {
        if (passed-- > 0) return;
        world.gateways.onTaken = undefined;
        const fromAt = Date.now();
        void Promise.all(targets.map((target) => world.kill(target))).then(() => resolve(fromAt));
      };
    });
    const fromAt = await killed;
    await pause(BEGUN_AGAIN_MS * Math.random());
    for (const target of targets) await world.start(target);
    for (const of of targets) recorder.outage({ of, fromAt, toAt: Date.now() });
    times++;
  }
  say(`  ${times} times both notifiers were killed when a push was just taken`);
  return times;
}
