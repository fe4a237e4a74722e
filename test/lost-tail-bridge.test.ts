/** Integrations whose conversations lost their newest events in a power cut: nothing that came in their place is passed over. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { appStream, partitionOf } from '../schema/subjects.ts';
import { app, type Bridging, type Got, PARTITIONS, startBridging } from './support/bridging.ts';
import { powerCutOf } from './support/power-cut.ts';
import { laneId, until } from './support/scribe.ts';

const BOOTSTRAP = resolve(import.meta.dirname, '..', 'services', 'cli', 'bootstrap.mjs');
const LANES = Array.from({ length: 40 }, (_, n) => laneId(`b${n}`));
const [mine, aside] = [0, 1].map((p) => LANES.filter((lane) => partitionOf(lane, PARTITIONS) === p).slice(0, 4));

let bridging: Bridging;
const alarms: Record<string, unknown>[] = [];
const log = pino({ level: 'error' }, { write: (line) => void alarms.push(JSON.parse(line)) });
beforeAll(async () => {
  bridging = await startBridging();
});
afterAll(() => bridging?.stop());

const stored = async (): Promise<Got[]> => {
  const name = appStream(app('all1'));
  const { state } = await bridging.manager.streams.info(name);
  const got: Got[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++)
    got.push((await bridging.manager.streams.getMessage(name, { seq })).json());
  return got;
};
const isUp = () =>
  until(
    () => bridging.journal.status(),
    ({ isReady }) => isReady,
  );
const isStored = (count: number) =>
  until(
    () => stored().catch(() => []),
    ({ length }) => length === count,
  );

test('the pump stands still in that partition with an alarm, goes on in the others, and ends it by a command', async () => {
  const { scribe, servers } = bridging;
  const power = powerCutOf(servers);
  const [kept = laneId(''), ...lost] = mine ?? [];
  const [other = laneId('')] = aside ?? [];
  await bridging.startPump({}, log);
  await bridging.add('all1', 'all');
  for (const lane of [kept, other]) await scribe.create(lane, 'bob');
  await scribe.say(kept, 3);
  await isStored(5);
  await power.remember();
  await isUp();
  for (const lane of lost) await scribe.create(lane, 'carol');
  await scribe.say(kept, 3);
  await isStored(11);

  await power.cut();
  await power.restart();
  await isUp();
  for (const lane of lost) scribe.lanes.delete(lane);
  scribe.lanes.set(kept, scribe.events(kept).slice(0, 4));
  // Other records than those that were lost, and more of them.
  for (const lane of lost) {
    await scribe.create(lane, 'dave');
    await scribe.say(lane, 2);
  }
  await scribe.write(kept, [{ type: 'MessageSent', text: 'another fifth' }]);
  await until(
    () => alarms,
    (seen) =>
      seen.some(({ alarm, service, partition }) => alarm === 'halted' && service === 'bridge' && partition === 0),
  );
  await scribe.say(other, 1);
  await isStored(6);
  expect((await stored()).at(-1)).toMatchObject({ conversationId: other, seq: 2 });

  const env = servers.environment({ LANES_PARTITIONS: String(PARTITIONS) });
  const { stdout } = await promisify(execFile)(process.execPath, [BOOTSTRAP, 'resume', 'bridge'], { env });
  expect(stdout).toMatch(/^bridge, partition 0: 1 integrations go on behind stream sequence 4\n$/);
  await isStored(6 + 3 * lost.length + 1);
  const got = await stored();
  for (const lane of [kept, ...lost])
    expect(got.filter(({ conversationId }) => conversationId === lane).map(({ seq }) => seq)).toEqual(
      scribe.events(lane).map(({ seq }) => seq),
    );
  expect(JSON.stringify(got)).toContain('another fifth');
  await scribe.say(kept, 1);
  await isStored(6 + 3 * lost.length + 2);
}, 120_000);
