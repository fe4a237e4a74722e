/** The examples, as a third party runs them, against the whole system: killed, and started again. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { start as startProjector } from '../services/projector/main.ts';
import { type Client, clientOf, startApi, type TestApi } from './support/api.ts';
import { findNatsCli, newKey } from './support/commanding.ts';
import { newApp, silent } from './support/doors.ts';
import { until } from './support/scribe.ts';
import { startServers, type TestServers } from './support/servers.ts';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const EXAMPLES = join(HERE, 'bridge/examples');
const MAIN = join(HERE, 'services/cli/main.ts');
const TSX = ['--import', 'tsx'];

/** What runs an example; or why it cannot be run here. */
type Runner = { readonly command: string; readonly args: readonly string[] } | string;

const found = (name: string, ...folders: string[]): string | undefined =>
  [...(process.env['PATH'] ?? '').split(delimiter), ...folders].map((folder) => join(folder, name)).find(existsSync);

/** Built once, and kept for the next run. */
const KEPT = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lanes', 'examples');
const run = (command: string, args: readonly string[], cwd = HERE): string | undefined => {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 240_000 });
  return status === 0 ? undefined : `${command} ${args[0]}: ${(error?.message ?? stderr).trim().split('\n').at(-1)}`;
};

const TYPESCRIPT = { command: process.execPath, args: [...TSX, join(EXAMPLES, 'typescript/client.ts')] };
const RUNNERS: Readonly<Record<string, () => Runner>> = {
  TypeScript: () => TYPESCRIPT,
  Go: () => {
    const go = found('go', '/usr/local/go/bin');
    if (go === undefined) return 'there is no Go here';
    mkdirSync(KEPT, { recursive: true });
    const binary = join(KEPT, 'go-client');
    const failed = run(go, ['build', '-o', binary, '.'], join(EXAMPLES, 'go'));
    return failed ?? { command: binary, args: [] };
  },
  Python: () => {
    const python = found('python3');
    if (python === undefined) return 'there is no Python here';
    const venv = join(KEPT, 'python');
    const own = join(venv, 'bin/python3');
    const requirements = join(EXAMPLES, 'python/requirements.txt');
    const failed =
      (existsSync(own) ? undefined : run(python, ['-m', 'venv', venv])) ??
      run(own, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]);
    return failed ?? { command: own, args: [join(EXAMPLES, 'python/client.py')] };
  },
  'the nats command': () => {
    const nats = findNatsCli();
    if (nats === undefined) return 'there is no nats command here';
    return { command: join(EXAMPLES, 'shell/client.sh'), args: [] };
  },
};

/** A process of an example, and what it says. */
class Example {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(command: string, args: readonly string[]) {
    const path = [process.env['PATH'], dirname(findNatsCli() ?? HERE)].join(delimiter);
    // A group of its own: a shell has children.
    const env = { ...process.env, PATH: path };
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true, env });
    this.#ended = new Promise((resolve) => this.#process.once('close', resolve));
    if (this.#process.stdout)
      createInterface(this.#process.stdout).on('line', (line) => this.lines.push(line.trimEnd()));
  }

  get accepted(): readonly string[] {
    return this.lines.filter((line) => line.startsWith('accepted '));
  }
  get got(): readonly string[] {
    return this.lines.filter((line) => line.startsWith('got '));
  }

  async kill9(): Promise<void> {
    const { pid } = this.#process;
    if (pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null)
      process.kill(-pid, 'SIGKILL');
    await this.#ended;
  }
}

describe('the examples', () => {
  let servers: TestServers;
  let api: TestApi;
  let projector: { stop(): Promise<void> };
  let bridge: ChildProcess;
  let alice: Client;
  const settings = { LANES_PARTITIONS: '2', LANES_ADMIN_PORT: '0' };
  const running: Example[] = [];
  let examples = 0;

  const startBridge = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [...TSX, MAIN, 'bridge'], {
      cwd: HERE,
      env: servers.environment(settings),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`the bridge ended with ${code}`)));
    });
    return child;
  };
  const start = (command: string, args: readonly string[]): Example => {
    const example = new Example(command, args);
    running.push(example);
    return example;
  };
  /** A new integration, the file that the command line prints for it, and a conversation with alice that it is in. */
  const enrol = async () => {
    const app = newApp();
    const printed = execFileSync(process.execPath, [...TSX, MAIN, 'integration', 'add', app], {
      cwd: HERE,
      env: servers.environment(settings),
      encoding: 'utf8',
    });
    const credentials = join(servers.dir, `app-${++examples}.json`);
    writeFileSync(credentials, printed, { mode: 0o600 });
    const created = await alice.ask(
      'mutation ($input: CreateConversationInput!) { createConversation(input: $input) { accepted { conversationId } } }',
      { input: { members: [`app_${app}`], clientKey: newKey() } },
    );
    const conversationId: string = created.createConversation.accepted.conversationId;
    return { app, credentials, conversationId };
  };
  const say = (conversationId: string, text: string) =>
    alice.ask('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { accepted { seq } } }', {
      input: { conversationId, clientKey: newKey(), text },
    });
  /** Every message, as `sender: text`. */
  const said = async (conversationId: string): Promise<string[]> => {
    const { conversation } = await alice.ask(
      'query ($id: ID!) { conversation(id: $id) { messages(last: 100) { nodes { text sender { id } } } } }',
      { id: conversationId },
    );
    const nodes: { text: string; sender: { id: string } }[] = conversation.messages.nodes;
    return nodes.map(({ text, sender }) => `${sender.id}: ${text}`);
  };

  beforeAll(async () => {
    servers = await startServers();
    api = await startApi(servers, settings);
    projector = await startProjector(servers.config(settings), silent);
    bridge = await startBridge();
    alice = await clientOf(api, 'alice');
  }, 120_000);
  afterEach(() => Promise.all(running.splice(0).map((example) => example.kill9())));
  afterAll(async () => {
    bridge?.kill('SIGKILL');
    await projector?.stop();
    await api?.stop();
    await servers?.stop();
  });

  it.each(Object.keys(RUNNERS))(
    'in %s sends nothing twice, and reads on where it was killed',
    async (name) => {
      const runner = RUNNERS[name]?.() ?? 'no such example';
      if (typeof runner === 'string') {
        if (name === 'TypeScript') throw new Error(runner);
        console.warn(`the example in ${name} is not run: ${runner}`);
        return;
      }
      const { app, credentials, conversationId } = await enrol();
      const COUNT = 12;
      const words = [...runner.args, credentials, conversationId, 'job', String(COUNT)];
      const got: string[] = [];
      const first = start(runner.command, words);
      await until(
        () => [first.accepted.length, first.got.length],
        ([accepted = 0, events = 0]) => accepted >= 3 && events >= 2,
        60_000,
      );
      await first.kill9();
      got.push(...first.got);
      await say(conversationId, 'while you were away');
      const second = start(runner.command, words);
      // All of them have been accepted, and everything has been read that there is: the creation, its own, and alice's.
      const last = COUNT + 2;
      await until(
        () => [second.accepted.length, second.got.at(-1) ?? ''] as const,
        ([accepted, latest]) => accepted === COUNT && latest.startsWith(`got ${conversationId} ${last} `),
        90_000,
      );
      await second.kill9();
      got.push(...second.got);
      const messages = await said(conversationId);
      const own = Array.from({ length: COUNT }, (_, i) => `app_${app}: job ${i + 1}`);
      expect(messages.filter((line) => line.startsWith('app_'))).toEqual(own);
      expect(messages).toContain('alice: while you were away');
      expect(second.accepted.filter((line) => line.endsWith(' again')).length).toBeGreaterThanOrEqual(3);
      // In order, without a hole; what was printed and not acknowledged when it was killed, comes again.
      const seqs = got.map((line) => Number(line.split(' ')[2]));
      expect(seqs.every((seq, i) => seq === (seqs[i - 1] ?? 0) + 1 || seq === seqs[i - 1])).toBe(true);
      expect([...new Set(seqs)]).toEqual(Array.from({ length: last }, (_, i) => i + 1));
      expect(got[0]).toBe(`got ${conversationId} 1 ConversationCreated`);
      expect(new Set(got).size).toBe(last);
    },
    300_000,
  );

  it('go on when the bridge is killed and comes back', async () => {
    const { credentials, conversationId } = await enrol();
    const example = start(TYPESCRIPT.command, [...TYPESCRIPT.args, credentials, conversationId, 'job', '40']);
    await until(
      () => example.accepted.length,
      (count) => count >= 3,
      60_000,
    );
    bridge.kill('SIGKILL');
    bridge = await startBridge();
    await until(
      () => example.accepted.length,
      (count) => count === 40,
      60_000,
    );
    await until(
      () => example.got.at(-1) ?? '',
      (line) => line.startsWith(`got ${conversationId} 41 `),
      60_000,
    );
    expect((await said(conversationId)).length).toBe(40);
  }, 180_000);

  it('an echo bot answers each message once, killed in between, and has read it', async () => {
    const { app, credentials, conversationId } = await enrol();
    const bot = () => start(process.execPath, [...TSX, join(EXAMPLES, 'typescript/echo-bot.ts'), credentials]);
    const first = bot();
    for (let n = 1; n <= 6; n++) await say(conversationId, `hello ${n}`);
    const echoes = async () => (await said(conversationId)).filter((line) => line.startsWith(`app_${app}: `));
    await until(echoes, (lines) => lines.length >= 1, 60_000);
    await first.kill9();
    for (let n = 7; n <= 10; n++) await say(conversationId, `hello ${n}`);
    bot();
    await until(echoes, (lines) => lines.length >= 10, 90_000);
    const marks = async () => {
      const { conversation } = await alice.ask(
        'query ($id: ID!) { conversation(id: $id) { lastSeq members { nodes { user { id } deliveredSeq readSeq } } } }',
        { id: conversationId },
      );
      const { deliveredSeq, readSeq } = conversation.members.nodes.find(
        (one: { user: { id: string } }) => one.user.id === `app_${app}`,
      );
      return [deliveredSeq, readSeq, conversation.lastSeq];
    };
    await until(marks, ([delivered, read, end]) => delivered === end && read === end, 60_000);
    expect(await echoes()).toEqual(Array.from({ length: 10 }, (_, i) => `app_${app}: You said: hello ${i + 1}`));
  }, 240_000);

  it('a reminding bot says it in its time, though it was killed meanwhile', async () => {
    const { app, credentials, conversationId } = await enrol();
    const bot = () => start(process.execPath, [...TSX, join(EXAMPLES, 'typescript/remind-bot.ts'), credentials]);
    const first = bot();
    await say(conversationId, 'Remind me in 12 seconds to stand up');
    await say(conversationId, 'remind me in 1 second to sit down');
    await say(conversationId, 'remind me in 9000 hours to retire');
    await say(conversationId, 'nothing for you');
    const words = async () => (await said(conversationId)).filter((line) => line.startsWith('app_'));
    await until(words, (lines) => lines.some((line) => line.endsWith('alice: sit down')), 60_000);
    const [asked] = await Promise.all([Date.now(), first.kill9()]);
    bot();
    await until(words, (lines) => lines.some((line) => line.endsWith('alice: stand up')), 90_000);
    expect(Date.now() - asked).toBeGreaterThan(1_000);
    // What was heard only when its time was over is not promised any more.
    const promised = (line: string) => !line.endsWith('I will remind you in 1 second.');
    expect((await words()).filter(promised).sort()).toEqual(
      [
        'I will remind you in 12 seconds.',
        'That is too far away for me: a few days at the most.',
        'alice: sit down',
        'alice: stand up',
      ]
        .map((line) => `app_${app}: ${line}`)
        .sort(),
    );
  }, 240_000);
});
