/** `npm start` as a person has it: started, hurt, started again, and stopped, by signals and HTTP alone. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort, freePorts } from './support/servers.ts';

const BOOTSTRAP = resolve(import.meta.dirname, '..', 'services', 'cli', 'bootstrap.mjs');
/** What the bootstrap runs once it has built; called directly where many calls are made. */
const MAIN = resolve(import.meta.dirname, '..', 'dist', 'services', 'cli', 'main.js');
const CANARY = 'canary-of-the-environment';
const PATIENT = { timeout: 30_000, interval: 50 };

let dir: string;
let environment: Record<string, string | undefined>;
let readyz: string;

/** The supervisor that runs now, and all it has said. */
let up: ChildProcess;
let said: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lanes-up-'));
  const port = await freePort();
  readyz = `http://127.0.0.1:${port}/readyz`;
  environment = {
    ...process.env,
    LANES_DATA: dir,
    LANES_PORT: String(port),
    // The projector, the notifier and the bridge take the next three, IRC the one after the next.
    LANES_ADMIN_PORT: String(await freePorts(6)),
    LANES_IRC_PORT: String(await freePort()),
    SOMEBODYS_SECRET: CANARY,
    LANES_NATS_PORT: String(await freePort()),
    LANES_BRIDGE_PORT: '0',
    LANES_MONGO_PORT: String(await freePort()),
    LANES_FSYNC: 'default',
  };
});
afterAll(async () => {
  up.kill('SIGINT');
  await vi.waitFor(() => expect(pids()).toEqual({}), PATIENT);
  rmSync(dir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  said = '';
  up = spawn(process.execPath, [BOOTSTRAP, 'up'], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const output of [up.stdout, up.stderr]) output?.on('data', (bytes) => (said += bytes));
  await vi.waitFor(() => {
    if (up.exitCode !== null) throw new Error(`ended with ${up.exitCode}: ${said}`);
    expect(said).toContain('Lanes is ready');
  }, PATIENT);
}

/** The processes of the installation by name, as their pid files say. */
type Name = 'supervisor' | 'nats-server' | 'mongod' | 'api' | 'projector' | 'notifier' | 'bridge' | 'irc';

function pids(): Partial<Record<Name, number>> {
  const names = readdirSync(join(dir, 'run')).filter((name) => name.endsWith('.pid'));
  const entries = names.map((name) => [
    name.slice(0, -4),
    JSON.parse(readFileSync(join(dir, 'run', name), 'utf8')).pid,
  ]);
  return Object.fromEntries(entries);
}

/** Never 0: a signal to process 0 would end the test run itself. */
const pidOf = (name: Name): Promise<number> =>
  vi.waitFor(() => {
    const pid = pids()[name];
    if (!pid) throw new Error(`${name} has no pid file`);
    return pid;
  }, PATIENT);

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const isReady = async (): Promise<void> => expect((await fetch(readyz)).status).toBe(200);

const lanes = (...args: string[]) => promisify(execFile)(process.execPath, [BOOTSTRAP, ...args], { env: environment });

/** What a command that must fail says, and its exit code. */
async function failureOf(args: string[], more: Record<string, string> = {}) {
  const run = promisify(execFile)(process.execPath, [MAIN, ...args], { env: { ...environment, ...more } });
  const error = await run.then(
    () => expect.fail(`lanes ${args.join(' ')} succeeded`),
    (thrown: { code: number; stderr: string; stdout: string }) => thrown,
  );
  return error;
}

describe('npm start', () => {
  test('starts everything and says where it is', async () => {
    await start();
    await isReady();
    expect(Object.keys(pids()).sort()).toEqual([
      'api',
      'bridge',
      'irc',
      'mongod',
      'nats-server',
      'notifier',
      'projector',
      'supervisor',
    ]);
    expect(said).toContain(readyz.replace('readyz', 'graphql'));
    expect(said).toContain('npm run -s lanes -- token alice');
    expect(said).toContain('LANES_FSYNC=default: a power cut can lose');
  }, 60_000);

  test.skipIf(process.platform !== 'linux')(
    'gives each room the credentials that it reads, and no others',
    async () => {
      const environmentOf = async (name: Name): Promise<string> =>
        readFileSync(`/proc/${await pidOf(name)}/environ`, 'utf8').replaceAll('\0', '\n');
      const irc = await environmentOf('irc');
      expect(irc).toContain(`LANES_IRC_PORT=${environment['LANES_IRC_PORT']}`);
      expect(irc).not.toMatch(/PASSWORD|SECRET|_SEED|_KEY|LANES_(NATS|MONGO|JWT|DATA)|:\/\/[^/\s]*@/);
      for (const name of ['api', 'projector', 'notifier'] as const)
        expect(await environmentOf(name)).not.toMatch(/LANES_NATS_(SYS|BRIDGE|CALLOUT)/);
      expect(await environmentOf('bridge')).toMatch(/LANES_NATS_SYS_PASSWORD=./);
      expect(await environmentOf('api')).toContain(CANARY);
    },
  );

  test('prints a token and nothing else', async () => {
    const { stdout } = await lanes('token', 'alice', '--ttl', '5m', '--scope', 'lanes:admin', '--name', 'Alice');
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const claims = JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toEqual({
      sub: 'alice',
      scope: 'lanes:admin',
      name: 'Alice',
      iat: claims.iat,
      exp: claims.iat + 300,
    });
  });

  test('is found healthy by the doctor', async () => {
    const { stdout } = await lanes('doctor');
    for (const what of ['api', 'projector', 'notifier', 'integrations'])
      expect(stdout).toMatch(new RegExp(`^ok +${what} `, 'm'));
    expect(stdout).toContain('nothing is wrong');
  });

  test.each(['nats-server', 'mongod', 'api', 'projector', 'notifier'] as const)(
    'starts a %s that was killed again',
    async (name) => {
      const before = await pidOf(name);
      process.kill(before, 'SIGKILL');
      await vi.waitFor(() => {
        const now = pids()[name];
        expect(now).toBeDefined();
        expect(now).not.toBe(before);
      }, PATIENT);
      await vi.waitFor(isReady, PATIENT);
      await vi.waitFor(() => expect(said).toContain(`${name} runs again`), PATIENT);
      expect(said).toContain(`${name} ended and is started again`);
    },
  );

  test('refuses a second start on the same data', async () => {
    const { code, stderr } = await failureOf(['up']);
    expect(stderr).toBe(
      `Lanes already runs on ${dir} (process ${pids().supervisor}): stop it, or set LANES_DATA and the ports to others\n`,
    );
    expect(code).not.toBe(0);
  });

  test('puts right what a kill -9 of it left', async () => {
    const before = pids();
    process.kill(await pidOf('supervisor'), 'SIGKILL');
    await vi.waitFor(
      () => expect([before.api, before.projector].map((pid) => isThere(pid ?? 0))).toEqual([false, false]),
      PATIENT,
    );
    expect(isThere(before.mongod ?? 0)).toBe(true);
    await start();
    expect(said).toContain(`nats-server (process ${before['nats-server']}) was left over`);
    await isReady();
    // Ready does not wait for MongoDB: the old mongod may still be on its way out.
    await vi.waitFor(() => expect(isThere(before.mongod ?? 0)).toBe(false), PATIENT);
  }, 60_000);

  test('drains at Ctrl-C and leaves nothing behind', async () => {
    const before = Object.values(pids());
    const ended = new Promise((done) => up.once('exit', done));
    up.kill('SIGINT');
    expect(await ended).toBe(0);
    expect(before.filter(isThere)).toEqual([]);
    expect(pids()).toEqual({});
    expect(existsSync(join(dir, 'run', 'servers.json'))).toBe(false);
  });

  test.each(['LANES_NATS_PORT', 'LANES_MONGO_PORT', 'LANES_PORT', 'LANES_ADMIN_PORT'])(
    'says in one line that the port of %s is taken, and ends',
    async (setting) => {
      const holder = createServer();
      const port = Number(environment[setting]);
      await new Promise<void>((listens) => holder.listen(port, '127.0.0.1', listens));
      const { stderr, code } = await failureOf(['up']);
      await new Promise((closed) => holder.close(closed));
      expect(code).not.toBe(0);
      const lines = stderr.split('\n').filter((line) => line.includes(`port ${port}`));
      expect(lines).toEqual([expect.stringContaining(`set ${setting} to a free port`)]);
      expect(pids()).toEqual({});
    },
    60_000,
  );

  test('names a setting that is unknown', async () => {
    const { stderr, code } = await failureOf(['up'], { LANES_PROT: '1' });
    expect(stderr).toMatch(/^unknown setting LANES_PROT: /);
    expect(code).toBe(1);
  });
});

describe('lanes', () => {
  test('has help at every level, and exit code 2 with usage for what it does not understand', async () => {
    const help = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, ...args, '--help']);
    const { stdout } = await help();
    for (const [, name] of stdout.matchAll(/^ {2}(\w+) /gm))
      expect((await help(String(name))).stdout).toMatch(new RegExp(`^usage: lanes ${name}`));
    for (const args of [
      [],
      ['fly'],
      ['token'],
      ['token', 'a b'],
      ['token', 'app_x'],
      ['token', 'alice', '--tll', '1h'],
      ['token', 'alice', '--ttl', 'soon'],
      ['token', 'alice', '--scope', 'root'],
      ['verify', 'x'],
      ['verify', '--conversation', 'a.b'],
    ]) {
      const { stderr, stdout: none, code } = await failureOf(args);
      expect([code, none], args.join(' ')).toEqual([2, '']);
      expect(stderr).toContain('usage: lanes');
    }
  }, 60_000);
});
