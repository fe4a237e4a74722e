/** What a run comes to: every invariant on everything that was recorded and stored, one line each. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { figuresOf } from './check-pushes.ts';
import { check } from './checker.ts';
import type { Plan } from './plan.ts';
import { readPushStores } from './push-stores.ts';
import { type Run, readDeliveries } from './rest.ts';
import { countEvents, readHistory, readLanes } from './stores.ts';
import { INVARIANTS, type Invariant, type Trace, type Violation } from './trace.ts';
import { GRACE_MS } from './world.ts';

const SHOWN = 5;

export interface Done {
  readonly plan: Plan;
  readonly seed: number;
  readonly problems: readonly string[];
  /** Beside those of the plan. */
  readonly kills: number;
}

async function readTrace({ world, recorder, phones }: Run): Promise<Trace> {
  const { servers } = world;
  const lanes = await readLanes(servers);
  const { history, parked } = await readHistory(servers.mongo.url);
  const { marks, pushes, inboxes, outages } = recorder;
  const { devices, muted } = phones;
  const seen = { graceMs: GRACE_MS, devices, muted, marks, pushes, inboxes, outages };
  const pushing = {
    ...seen,
    ...(await readPushStores(servers)),
    deliveries: await readDeliveries(world, phones.lanes),
  };
  return recorder.traceOf({ stores: { lanes, history, parked }, pushing });
}

/** The exit code. */
export async function report(run: Run, done: Done, say: (line: string) => void): Promise<number> {
  const { world, recorder } = run;
  const { plan, problems } = done;
  const trace = await readTrace(run);
  const { lanes, history } = trace.stores;
  const found: Violation[] = [...check(trace)];
  const verified = await world.lanes('verify');
  const rebuilt = await world.lanes('rebuild');
  const again = await readHistory(world.servers.mongo.url);
  for (const lane of new Set([...again.history.keys(), ...history.keys()]))
    if (rebuilt.code === 0 && JSON.stringify(again.history.get(lane)) !== JSON.stringify(history.get(lane)))
      found.push({ invariant: 'I7', lane, what: 'the rebuilt history differs' });
  say(`  ${recorder.counts}`);
  const kills = plan.faults.filter(({ how }) => how === 'kill').flatMap(({ targets }) => targets).length + done.kills;
  const acknowledged = recorder.counted('accepted');
  const unknown = recorder.counted('lost') + recorder.counted('OUTCOME_UNKNOWN');
  say(
    `${kills} kills, ${plan.faults.length} faults, ${plan.troubles.length} troubles of providers · ${lanes.size} lanes, ${countEvents(lanes)} events · ${acknowledged} acknowledged, ${unknown} unknown outcomes`,
  );
  if (trace.pushing) say(figuresOf(trace.pushing));
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
  if (failed > 0) keep(done, trace, found, say);
  say(`${Object.keys(INVARIANTS).length + others.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function keep(
  { seed, plan, problems }: Done,
  trace: Trace,
  found: readonly Violation[],
  say: (line: string) => void,
): void {
  const path = join(tmpdir(), `lanes-faults-${seed}.json`);
  const { sessions, attempts, pushing } = trace;
  writeFileSync(path, JSON.stringify({ seed, plan, problems, found, sessions, attempts, pushing }));
  say(`what was recorded: ${path}`);
}
