/** A store that lost the newest of what every process knows, and was filled again: nobody goes on with what was. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseUserId, type UserId } from '../schema/ids.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { openRevocations, type Revocations } from '../services/journal/revocations.ts';
import { powerCutOf } from './support/power-cut.ts';
import { silent } from './support/projecting.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

let servers: TestServers;
const opened: Revocations[] = [];
beforeAll(async () => {
  servers = await startServers({ mongo: false });
  const options = { ...servers.config().nats, log: silent, name: 'test' };
  await (await openJetStreamJournal({ ...options, partitions: 1, maxBytes: 1024 ** 3 })).close();
});
afterAll(async () => {
  await Promise.all(opened.map((one) => one.close()));
  await servers?.stop();
});

const open = async (): Promise<Revocations> => {
  const one = await openRevocations({ ...servers.config().nats, log: silent, name: 'test' });
  opened.push(one);
  return one;
};
const user = (name: string): UserId => parseUserId(name) as UserId;
/** Also where NATS is not there again yet. */
const revoke = (by: Revocations, name: string, before: number) =>
  until(
    () => by.revoke(user(name), before).catch(() => 0),
    (counts) => counts === before,
  );

test('who is revoked in the place of who was lost is known to every process, and what was known stands', async () => {
  const running = await open();
  const power = powerCutOf(servers);
  await revoke(running, 'alice', 1_000);
  await power.remember();
  for (const name of ['bob', 'carol', 'dave']) await revoke(running, name, 2_000);
  await revoke(running, 'alice', 3_000);
  await power.cut();
  await power.restart();

  const later = await open();
  expect(later.before(user('bob'))).toBe(0);
  await revoke(later, 'erin', 4_000);
  await revoke(later, 'alice', 5_000);
  for (const [name, before] of [
    ['erin', 4_000],
    ['alice', 5_000],
  ] as const)
    await until(
      () => running.before(user(name)),
      (known) => known === before,
    );
  expect(running.before(user('bob'))).toBe(2_000);
  // Written again by who knew it, and once more by who did not.
  await revoke(running, 'bob', 6_000);
  await until(
    () => later.before(user('bob')),
    (known) => known === 6_000,
  );
}, 60_000);
