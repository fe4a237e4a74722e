/**
 * docker-compose.yml, as far as it can be checked without an engine: by Docker Compose itself where the client has it, and
 * everywhere by reading the file: its settings through ours, its server configuration through the real server.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APPS_MAPPINGS } from '../schema/subjects.ts';
import { newCalloutSeeds, parseCalloutKeys } from '../services/callout-keys.ts';
import { readSettings } from '../services/config.ts';
import { findServer } from '../services/embedded/find.ts';
import { flawsOf, type Version, versionOf } from '../services/embedded/sources.ts';

const run = promisify(execFile);
const FILE = resolve(import.meta.dirname, '..', 'docker-compose.yml');
const compose = readFileSync(FILE, 'utf8');
const PASSWORDS = [
  ...['NATS_PASSWORD', 'NATS_BRIDGE_PASSWORD', 'NATS_SYS_PASSWORD'],
  ...['MONGO_ROOT_PASSWORD', 'MONGO_PASSWORD', 'MONGO_KEY'],
];
const REQUIRED = [...PASSWORDS, 'NATS_CALLOUT_SEEDS', 'NATS_CALLOUT_ISSUER', 'NATS_CALLOUT_XKEY'];
const seeds = newCalloutSeeds();
const { issuer, curve } = parseCalloutKeys(seeds, 'seeds');
const passwordOf = (name: string): string => `${name.toLowerCase()}0123456789abcdef`;
const given = {
  ...Object.fromEntries(PASSWORDS.map((name) => [name, passwordOf(name)])),
  NATS_CALLOUT_SEEDS: seeds.trim().replace('\n', ' '),
  NATS_CALLOUT_ISSUER: issuer.getPublicKey(),
  NATS_CALLOUT_XKEY: curve?.getPublicKey() ?? '',
  LANES_JWT_SECRET: 'x'.repeat(32),
};

/** The lines that stand deeper under the first line that is `head`, without their indentation. */
function under(text: string, head: RegExp): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => head.test(line));
  expect(at, `${head} is in the file`).toBeGreaterThanOrEqual(0);
  const depth = (line: string) => line.length - line.trimStart().length;
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((line) => line.trim() !== '' && depth(line) <= depth(lines[at] ?? ''));
  const inner = rest.slice(0, end < 0 ? undefined : end);
  const least = Math.min(...inner.filter((line) => line.trim() !== '').map(depth));
  return inner.map((line) => line.slice(least)).join('\n');
}

/** With what its anchors stand for, and theirs. */
function withMerged(section: string): string {
  const merged = [...section.matchAll(/^<<: \*(\w+)$/gm)].map(([, name]) =>
    under(compose, new RegExp(`^x-${name}: &`)),
  );
  return [section, ...merged.map(withMerged)].join('\n');
}

const namesIn = (section: string): string[] => [...section.matchAll(/^([\w-]+):/gm)].map(([, name]) => String(name));

/** `${NAME}`, `${NAME:-default}`, `${NAME:?why}` as Compose reads them; `$$` is a dollar. */
function filled(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\{(\w+)(?::([-?])([^}]*))?\}/g, (whole, name, kind, rest) => {
    if (whole === '$$') return '$';
    const value = values[name];
    if (value !== undefined && value !== '') return value;
    if (kind === '?') throw new Error(`${name} is required: ${rest}`);
    return rest ?? '';
  });
}

function environmentIn(section: string): Record<string, string> {
  const pairs = section.split('\n').map((line) => /^(\w+): (.*)$/.exec(line));
  const found = pairs.filter((pair) => pair !== null);
  return Object.fromEntries(found.map(([, name, value]) => [String(name), String(value).replace(/^"(.*)"$/, '$1')]));
}

describe('docker-compose.yml', () => {
  const services = under(compose, /^services:$/);

  test('runs the two servers and each room as a service of its own', () => {
    expect(namesIn(services).sort()).toEqual(['api', 'bridge', 'mongo', 'nats', 'notifier', 'projector']);
    for (const name of namesIn(services)) {
      const service = under(services, new RegExp(`^${name}:$`));
      expect(namesIn(service), name).toContain('healthcheck');
      const rooms = ['api', 'projector', 'notifier', 'bridge'];
      if (!rooms.includes(name)) expect(namesIn(service), name).toContain('volumes');
      else expect(service).toMatch(new RegExp(`command: \\["${name}"\\]|exec node \\S+ ${name}$`, 'm'));
    }
  });

  test('publishes the api alone, on loopback', () => {
    const ports = [...services.matchAll(/^\s*- "?([^"\n]*:\d+)"?$/gm)].map(([, port]) => port);
    expect(ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
    expect([...services.matchAll(/\bports:/g)]).toHaveLength(1);
    expect(compose).not.toMatch(/network_mode|privileged: true|\/var\/run\/docker\.sock/);
  });

  test('confines every service', () => {
    for (const name of namesIn(services)) {
      const whole = withMerged(under(services, new RegExp(`^${name}:$`)));
      expect(whole, name).toContain('cap_drop: [ALL]');
      expect(whole, name).toContain('security_opt: ["no-new-privileges:true"]');
      expect(whole, name).not.toMatch(/cap_add|privileged/);
      // Compose refuses to put a config with content into a read-only container.
      const keys = namesIn(whole);
      expect([name, keys.includes('read_only')]).toEqual([name, !keys.includes('configs')]);
      if (keys.includes('read_only')) expect(whole).toContain('read_only: true');
    }
    const { user } = /^\s*user: (?<user>\S+)$/m.exec(under(services, /^mongo:$/))?.groups ?? {};
    expect(user).toBe('mongodb:mongodb');
  });

  test('names each image by its exact version or by its digest', () => {
    const dockerfile = readFileSync(resolve(FILE, '..', 'Dockerfile'), 'utf8');
    const used = [...services.matchAll(/^\s*image: (\S+)$/gm), ...dockerfile.matchAll(/^FROM (\S+)/gm)];
    const images = used.map(([, image]) => String(image)).filter((image) => image !== 'lanes');
    expect(images.length).toBeGreaterThanOrEqual(4);
    for (const image of images)
      expect(image).toMatch(/^[a-z]+(:\d+\.\d+\.\d+(-[a-z-]+)?|(:\S+)?@sha256:[0-9a-f]{64})$/);
    const mongo = images.find((image) => image.startsWith('mongo:')) ?? '';
    expect(flawsOf(versionOf(mongo) as Version)).toEqual([]);
  });

  test('says how to make a file of passwords that nobody else may read', async () => {
    const [recipe = ''] = /^# {3}umask 077\n(?:# {3}.*\n)*?# {3}done > \.env$/m.exec(compose) ?? [];
    const folder = mkdtempSync(join(tmpdir(), 'lanes-compose-'));
    const openssl = `openssl() { '${process.execPath}' -p 'crypto.randomBytes(32).toString("hex")'; }`;
    await run('bash', ['-ec', `umask 022\n${openssl}\n${recipe.replace(/^# {3}/gm, '')}`], { cwd: folder });
    expect(statSync(join(folder, '.env')).mode & 0o777).toBe(0o600);
    const lines = readFileSync(join(folder, '.env'), 'utf8').trim().split('\n');
    expect(lines.map((line) => line.split('=')[0]).sort()).toEqual([...PASSWORDS, 'LANES_JWT_SECRET'].sort());
    for (const line of lines) expect(line).toMatch(/=[0-9a-f]{64}$/);
    rmSync(folder, { recursive: true });
  });

  test('has no password of its own: each must be given', () => {
    for (const name of REQUIRED) {
      expect(() => filled(compose, { ...given, [name]: '' }), name).toThrow(`${name} is required`);
    }
    const secrets = [...compose.matchAll(/^\s*[\w-]*(?:PASSWORD|SECRET|KEY|pwd)[\w-]*: (.*)$/gm)].map(
      ([, value]) => value,
    );
    expect(secrets.length).toBeGreaterThanOrEqual(6);
    for (const value of secrets) expect(value).toMatch(/^(\$\{\w+:[?-]|process\.env\.)/);
    expect(compose).not.toMatch(/:-[^}]*(password|secret|admin|changeme)/i);
  });

  test('gives the rooms settings that are known and whole', () => {
    const environment = environmentIn(filled(under(compose, /^x-environment:/), given));
    expect(readSettings(environment)).toMatchObject({
      environment: 'production',
      port: 4000,
      nats: { servers: ['nats://nats:4222'], user: 'lanes', password: passwordOf('NATS_PASSWORD') },
      mongo: { database: 'lanes', auth: { username: 'lanes', password: passwordOf('MONGO_PASSWORD') } },
    });
    const without = environmentIn(filled(under(compose, /^x-environment:/), { ...given, LANES_JWT_SECRET: '' }));
    expect(() => readSettings(without)).toThrow(/LANES_JWT_SECRET or LANES_JWKS_URL/);
  });

  describe('its nats-server', () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'lanes-compose-'));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test('takes its configuration, and syncs always', async () => {
      const nats = under(under(compose, /^configs:$/), /^nats:$/);
      const content = filled(under(nats, /^content: \|$/), given);
      expect(content).toContain('sync_interval: always');
      // The same walls between integrations and lanes as in the embedded server.
      for (const [from, to] of Object.entries(APPS_MAPPINGS)) expect(content).toContain(`"${from}": "${to}"`);
      const file = join(folder, 'lanes.conf');
      writeFileSync(file, content.replace('"/data"', JSON.stringify(folder)));
      const { binary } = await findServer('nats-server', { cacheDir: readSettings().cacheDir, print: () => {} });
      const { stderr } = await run(binary, ['-t', '-c', file]);
      expect(stderr).toContain('is valid');
    });
  });

  test('is accepted by Docker Compose, where there is one', async ({ skip }) => {
    const client = await run('docker', ['compose', 'version']).catch(() => undefined);
    if (client === undefined) return skip('this machine has no Docker Compose');
    await run('docker', ['compose', '-f', FILE, 'config', '--quiet'], { env: { ...process.env, ...given } });
  });
});
