/** Processes whose machine's clock is an hour off: what they write and decide goes by NATS's time, and they say what is wrong. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { checkNotifier } from '../services/cli/check-rooms.ts';
import { openRevocations } from '../services/journal/revocations.ts';
import { clientOf, startApi, type TestApi } from './support/api.ts';
import { ACKNOWLEDGE, groupOf, REGISTER } from './support/chat.ts';
import { type Notifying, startNotifying, untilSo } from './support/notifying.ts';
import { silent } from './support/projecting.ts';
import { userId } from './support/scribe.ts';
import { freePort } from './support/servers.ts';

const MAIN = fileURLToPath(new URL('../services/cli/main.ts', import.meta.url));
const HOUR_MS = 3_600_000;
/** No clock of these tests is so much off, whatever else the machine does. */
const NEAR_MS = 600_000;
const GRACE_MS = 4_000;

let all: Notifying;
beforeAll(async () => {
  all = await startNotifying();
});
afterAll(() => all?.stop());

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
});

/** Sets the clock of a process. */
function preloadOf(byMs: number): string {
  const shift = `
    const { now } = Date;
    globalThis.Date = class extends Date {
      constructor(...given) { given.length === 0 ? super(now() + ${byMs}) : super(...given); }
      static now() { return now() + ${byMs}; }
    };`;
  return `data:text/javascript,${encodeURIComponent(shift)}`;
}

/** As a room on a machine whose clock is set wrong. Settles when it is at work. */
async function startShifted(room: 'api' | 'notifier', byMs: number, settings: Record<string, string>): Promise<number> {
  const adminPort = await freePort();
  const child = spawn(process.execPath, ['--import', preloadOf(byMs), '--import', 'tsx', MAIN, room], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: all.servers.environment({
      ...{ ...all.providers.settings, LANES_PARTITIONS: '2', LANES_NOTIFY_GRACE_MS: String(GRACE_MS) },
      ...{
        LANES_LOG_LEVEL: 'silent',
        LANES_ADMIN_PORT: String(adminPort - (room === 'notifier' ? 2 : 0)),
        ...settings,
      },
    }),
  });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the ${room} ended with ${code}`)));
  });
  return adminPort;
}

const SEND = 'mutation($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq acceptedAt } } }';

const near = (time: number): boolean => Math.abs(time - Date.now()) < NEAR_MS;
const offsetOf = async (adminPort: number): Promise<number> => {
  const figures = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  return Number(/^lanes_clock_offset_ms\{[^}]*\} (\S+)$/m.exec(figures)?.[1]);
};
const saysOff = async (url: string, byMs: number): Promise<void> => {
  const answer = await fetch(url);
  expect(answer.status).toBe(503);
  expect(await answer.text()).toContain(byMs > 0 ? 'ms ahead of that of NATS' : 'ms behind that of NATS');
};

describe.each([HOUR_MS, -HOUR_MS])('a clock that is off by %i ms', (byMs) => {
  const name = byMs > 0 ? 'fast' : 'slow';

  test('a notifier keeps the grace, and its times are right', async () => {
    const adminPort = await startShifted('notifier', byMs, {});
    const lane = await all.tell(`grace-${name}`, `has-${name}`, `lacks-${name}`);
    await all.mark(`has-${name}`, lane, 2);
    const tokens = () => all.providers.fcm.pushes.map(({ token }) => token);
    await untilSo(() => tokens().includes(`lacks-${name}-phone`), 30_000);
    await untilSo(async () => (await all.deliveryOf(lane, 2, `lacks-${name}`)).state === 'NOTIFIED');
    expect(tokens()).not.toContain(`has-${name}-phone`);
    const { notifiedAt = 0 } = await all.deliveryOf(lane, 2, `lacks-${name}`);
    expect(near(notifiedAt)).toBe(true);
    expect(Math.abs((await offsetOf(adminPort)) - byMs)).toBeLessThan(NEAR_MS);
    await saysOff(`http://127.0.0.1:${adminPort}/readyz`, byMs);
    const settings = { ...all.servers.config(), adminHost: '127.0.0.1', adminPort: adminPort - 2 };
    const [finding] = await checkNotifier(settings as unknown as Parameters<typeof checkNotifier>[0]);
    expect(finding).toMatchObject({ state: 'bad', says: expect.stringContaining('that of NATS') });
  }, 90_000);

  test('an operator revokes a user as of now', async () => {
    const words = ['--import', preloadOf(byMs), '--import', 'tsx', MAIN, 'user', 'revoke', `mallory-${name}`];
    const env = all.servers.environment({ LANES_PARTITIONS: '2' });
    await promisify(execFile)(process.execPath, words, { env });
    const revocations = await openRevocations({ ...all.servers.config().nats, name: 'test', log: silent });
    expect(near(revocations.before(userId(`mallory-${name}`)))).toBe(true);
    await revocations.close();
  }, 60_000);

  describe('an api', () => {
    let right: TestApi;
    beforeAll(async () => {
      right = await startApi(all.servers, { LANES_PARTITIONS: '2' });
    });
    afterAll(() => right?.stop());

    test('takes tokens, and neither its messages nor its marks have another time than those of others', async () => {
      const port = await freePort();
      await startShifted('api', byMs, { LANES_PORT: String(port) });
      const wrong = { ...right, port, url: `http://127.0.0.1:${port}/graphql` };
      const [there, here] = [await clientOf(wrong, 'ann'), await clientOf(right, 'ben')];
      const conversationId = await groupOf(there, ['ben']);
      const times: number[] = [];
      for (const [i, client] of [there, here, there].entries()) {
        const input = { conversationId, text: 'what time is it?', clientKey: `${name}-${i}` };
        const { sendMessage } = await client.ask(SEND, { input });
        times.push(Date.parse(sendMessage.accepted.acceptedAt));
      }
      // Whether a mark is of this registration or of an earlier one is told by their times.
      const device = `phone-${name}`;
      const ben = await clientOf(wrong, 'ben');
      const { registerDevice } = await ben.ask(REGISTER, { input: { device } });
      times.push(Date.parse(registerDevice.device.lastSeenAt));
      const { acknowledge } = await ben.ask(ACKNOWLEDGE, { input: { device, marks: [{ conversationId, seq: 2 }] } });
      times.push(Date.parse(acknowledge.acknowledgedAt));
      expect(times.filter(near)).toEqual(times);
      await saysOff(`http://127.0.0.1:${port}/readyz`, byMs);
    }, 60_000);
  });
});
