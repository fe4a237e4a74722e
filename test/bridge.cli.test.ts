/** `lanes integration …`, as an operator has it. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { AckPolicy } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Credentials } from '../bridge/credentials.ts';
import { readCalloutKeys } from '../services/callout-keys.ts';
import type { Environment } from '../services/config.ts';
import { type Doors, enterByMqtt, enterByNats, startDoors } from './support/doors.ts';

const BOOTSTRAP = resolve(import.meta.dirname, '..', 'services', 'cli', 'bootstrap.mjs');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe('lanes integration', () => {
  let doors: Doors;
  beforeAll(async () => {
    doors = await startDoors();
    await lanes('integration', '--help');
  }, 120_000);
  afterAll(() => doors?.stop());

  const lanes = (...words: readonly string[]): Promise<Ended> => lanesWith({}, ...words);

  async function lanesWith(more: Environment, ...words: readonly string[]): Promise<Ended> {
    const env = doors.servers.environment({ LANES_PARTITIONS: '2', ...more });
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [BOOTSTRAP, ...words], { env });
      return { code: 0, out: stdout, err: stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, out: stdout, err: stderr };
    }
  }

  it('prints the credentials of a new one once, as one JSON object, and they are good at each door', async () => {
    const added = await lanes('integration', 'add', 'calendar');
    expect(added.code).toBe(0);
    expect(added.out.trim().split('\n')).toHaveLength(1);
    const credentials = JSON.parse(added.out) as Credentials;
    const password = expect.stringMatching(/^[A-Za-z0-9_-]{43}$/);
    expect(credentials).toEqual({
      app: 'calendar',
      user: 'app_calendar',
      nats: {
        url: doors.servers.nats.url,
        webSocketUrl: doors.servers.nats.webSocketUrl,
        user: 'app_calendar',
        password,
        inboxPrefix: '_INBOX_calendar',
      },
      mqtt: { url: doors.servers.nats.mqttUrl, user: 'app_calendar', password, clientId: 'calendar' },
    });
    await expect.poll(() => doors.registry.get(credentials.app)).toBeDefined();
    await (await enterByNats(credentials)).close();
    await (await enterByMqtt(credentials)).endAsync(true);
    // Nowhere is what it was told, and it is not told again.
    expect(JSON.stringify(doors.registry.get(credentials.app))).not.toContain(credentials.nats.password);
    const again = await lanes('integration', 'add', 'calendar');
    expect(again).toMatchObject({ code: 1, out: '' });
    expect(again.err).toMatch(/calendar is there already/);
  }, 60_000);

  it('refuses another one when the part of the budget that integrations have is spent, and says what helps', async () => {
    const spent = { LANES_STORE_BYTES: String(1024 ** 3), LANES_APP_STREAM_BYTES: String(1024 ** 3) };
    const added: Ended[] = [];
    while (added.length < 12 && (added.at(-1)?.code ?? 0) === 0)
      added.push(await lanesWith(spent, 'integration', 'add', `room${added.length}`));
    const refused = added.at(-1);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused?.err).toMatch(
      /no room for another integration: \d+ have .* Lower LANES_APP_STREAM_BYTES .* raise LANES_STORE_BYTES/,
    );
    // An eighth of what all have is what one has at the most.
    expect(added.length).toBeLessThanOrEqual(9);
    const { out } = await lanes('integration', 'list');
    expect(out).not.toContain(`room${added.length - 1}`);
    const { out: doctor } = await lanesWith(spent, 'doctor');
    expect(doctor).toMatch(/budget .*streams may hold .* of 1\.0 GiB, of it \d+ integrations/);
  }, 120_000);

  it('gives new credentials, lists, and ends for good', async () => {
    const first = JSON.parse((await lanes('integration', 'add', 'weather', '--scope', 'all')).out) as Credentials;
    await expect.poll(() => doors.registry.get(first.app)?.scope).toBe('all');
    const client = await enterByNats(first);
    const second = JSON.parse((await lanes('integration', 'rotate', 'weather')).out) as Credentials;
    expect(second.nats.password).not.toBe(first.nats.password);
    await client.closed();
    await expect(enterByNats(first)).rejects.toThrow(/authorization/i);
    const back = await enterByNats(second);
    const { out } = await lanes('integration', 'list');
    expect(out.split('\n').find((line) => line.startsWith('weather '))).toMatch(
      /app_weather {2}all {2}since .* {2}rotated /,
    );
    expect(out).not.toContain(second.nats.password);
    expect((await lanes('integration', 'revoke', 'weather')).code).toBe(0);
    await back.closed();
    for (const what of ['revoke', 'rotate', 'add'])
      expect(await lanes('integration', what, 'weather')).toMatchObject({ code: 1, out: '' });
    expect((await lanes('integration', 'list')).out).toMatch(/^weather .*REVOKED/m);
  }, 90_000);

  it('tells how far consumers are behind', async () => {
    const who = await doors.enrol(5);
    const manager = await doors.bridge.jetstreamManager({ apiPrefix: 'chat.js.api' });
    await manager.consumers.add(`APP_${who.app}`, { durable_name: 'c', ack_policy: AckPolicy.Explicit });
    expect((await lanes('integration', 'lag', who.app)).out).toMatch(/ c {2}waiting 5 {2}unacknowledged 0 /);
    expect((await lanes('integration', 'lag', 'nobody')).code).toBe(1);
  }, 30_000);

  it('makes seeds, into a file or for an environment', async () => {
    const file = join(doors.servers.dir, 'made-seeds');
    const { out } = await lanes('integration', 'keys', file);
    const { issuer, curve } = readCalloutKeys(file);
    expect(out).toBe(`NATS_CALLOUT_ISSUER=${issuer.getPublicKey()}\nNATS_CALLOUT_XKEY=${curve?.getPublicKey()}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const before = readFileSync(file, 'utf8');
    expect((await lanes('integration', 'keys', file)).code).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe(before);
    expect((await lanes('integration', 'keys')).out).toMatch(/^NATS_CALLOUT_SEEDS=SA\w+ SX\w+\nNATS_CALLOUT_ISSUER=A/);
  }, 30_000);

  it('has help at every level, and says what it does not understand', async () => {
    const whats = ['add', 'list', 'rotate', 'revoke', 'lag', 'keys'];
    const { out } = await lanes('integration', '--help');
    for (const what of whats) {
      expect(out).toMatch(new RegExp(`^ {2}${what} `, 'm'));
      const help = await lanes('integration', what, '--help');
      expect(help.code, what).toBe(0);
      expect(help.out, what).toMatch(new RegExp(`^usage: lanes integration ${what}`));
    }
    for (const words of [
      [],
      ['frob'],
      ['add'],
      ['add', 'a.b'],
      ['add', 'x'.repeat(61)],
      ['add', 'a', '--scope', 'x'],
      ['revoke'],
    ])
      expect((await lanes('integration', ...words)).code, words.join(' ')).toBe(2);
    expect((await lanes('integration', 'rotate', 'nobody')).code).toBe(1);
  }, 90_000);
});
