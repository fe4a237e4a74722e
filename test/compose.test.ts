/**
 * docker-compose.yml, as far as it can be checked without an engine: by Docker Compose itself where the client has it, and
 * everywhere by reading the file: its settings through ours, its server configuration through the real server.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { APPS_MAPPINGS } from '../schema/subjects.ts';
import { newCalloutSeeds, parseCalloutKeys } from '../services/callout-keys.ts';
import { readSettings } from '../services/config.ts';
import { findServer } from '../services/embedded/find.ts';

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
      if (['api', 'projector', 'notifier', 'bridge'].includes(name)) expect(service).toContain(`command: ["${name}"]`);
      else expect(namesIn(service), name).toContain('volumes');
    }
  });

  test('publishes the api alone, on loopback', () => {
    const ports = [...services.matchAll(/^\s*- "?([^"\n]*:\d+)"?$/gm)].map(([, port]) => port);
    expect(ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:/)]);
    expect([...services.matchAll(/\bports:/g)]).toHaveLength(1);
    expect(compose).not.toMatch(/network_mode|privileged: true|\/var\/run\/docker\.sock/);
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
