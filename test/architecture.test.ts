/** The house's rules that can be read from the sources: which way imports go, and what is written in one place only. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

interface Source {
  readonly path: string;
  readonly text: string;
  /** Paths of ours from the root, and bare names of packages. */
  readonly imports: readonly string[];
}

const sourcesIn = (folder: string): Source[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.m?[jt]s$/.test(name))
    .map((name) => {
      const path = normalize(join(folder, name));
      const text = readFileSync(join(ROOT, path), 'utf8');
      return { path, text, imports: importsOf(path, text) };
    });

const importsOf = (path: string, text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, name = '']) =>
    name.startsWith('.') ? relative(ROOT, join(ROOT, dirname(path), name)) : name,
  );

const sources = ['schema', 'services', 'bridge'].flatMap(sourcesIn);
const everything = [...sources, ...sourcesIn('test')];

/** The part of the house that a file belongs to. */
const partOf = (path: string): string => {
  const [top = '', second = ''] = path.split('/');
  if (top !== 'services') return top;
  return second.endsWith('.ts') ? 'base' : second;
};

/** From each part, the parts that it may import. `base` are the files beside the rooms: settings, logger, metrics, run. */
const ARROWS: Record<string, readonly string[]> = {
  schema: ['schema'],
  lane: ['schema', 'lane'],
  base: ['schema', 'base', 'embedded'],
  embedded: ['schema', 'base', 'embedded'],
  journal: ['schema', 'lane', 'base', 'journal'],
  views: ['schema', 'lane', 'base', 'journal', 'views'],
  api: ['schema', 'lane', 'base', 'journal', 'views', 'api'],
  projector: ['schema', 'lane', 'base', 'journal', 'views', 'projector'],
  notifier: ['schema', 'lane', 'base', 'journal', 'views', 'notifier'],
  bridge: ['schema', 'lane', 'base', 'journal', 'views', 'bridge'],
  cli: ['schema', 'lane', 'base', 'journal', 'views', 'api', 'projector', 'notifier', 'bridge', 'embedded', 'cli'],
};

const linesWith = (files: readonly Source[], pattern: RegExp, allowed: (path: string) => boolean): string[] =>
  files
    .filter(({ path }) => !allowed(path))
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    );

/** A line that waits for nothing but time: by a timer, by a promise of one, by blocking, or by asking the clock. */
const SLEEPS = new RegExp(
  [
    /\bset(Timeout|Interval)\(/,
    /timers\/promises/,
    /\bscheduler\.(wait|yield)\(/,
    /\bAtomics\.wait/,
    /\bAbortSignal\.timeout\(/,
    /(?<![.\w#])(sleep|delay|pause|snooze|wait)(Ms|For)?\((?!\))/,
    /\b(useFakeTimers\((?!\{ toFake: \[)|setSystemTime\(|(advance|run)\w*Timers?\w*Async|runAllTimers)/,
    /\buntil\(\s*(\(\)\s*=>\s*)?(Date|performance)\.now/,
    /\b(while|for) ?\([^{]*(Date|performance)\.now\(\)\s*</,
    /\bsleep \d/,
  ]
    .map(({ source }) => `(?:${source})`)
    .join('|'),
);
const SLEEPING = [
  'await new Promise((wake) => setTimeout(wake, 50));',
  'setTimeout(() => resolve(), 50)',
  "import { setTimeout as rest } from 'node:timers/promises';",
  'await scheduler.wait(50);',
  'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);',
  'await once(AbortSignal.timeout(50));',
  'await pause(50, signal);',
  'await sleep(SHORT_MS)',
  'await delay(50)',
  'await waitMs(50)',
  'vi.useFakeTimers();',
  'await vi.advanceTimersByTimeAsync(50);',
  'await until(Date.now, (now) => now > since + 50);',
  'await until(() => performance.now() > since + 50);',
  'while (Date.now() < end);',
  "execSync('sleep 1')",
];
const WAKING = [
  'client.socket.pause();',
  'await new Promise((resolve) => setImmediate(resolve));',
  "vi.useFakeTimers({ toFake: ['setInterval'] });",
  "expect(buckets.wait('a')).toBe(40);",
  'await until(() => client.isClosed);',
  "await page.locator('button').waitFor({ timeout: 30_000 });",
];
/** Timers that nobody waits for, and the one loop that asks again. */
const NO_SLEEPS = [
  'test/support/until.ts: await new Promise((wake) => setTimeout(wake, AGAIN_MS));',
  // How the clock's next millisecond is awaited.
  'test/support/until.ts: return until(Date.now, (then) => then > now);',
  // The end of waiting for a line.
  'test/support/irc.ts: const timer = setTimeout(resolve, withinMs);',
  // An answer that never ends, and a client that never rests.
  "test/bridge.webhooks.test.ts: const timer = setInterval(() => response.write('x'), 50);",
  "test/api.proxy.test.ts: const timer = setInterval(() => socket.write(Array.from({ length: 20 }, requests).join('')), 20);",
  // A provider that takes its time.
  'test/notifier.large-group.test.ts: const slowly = { meets: () => new Promise<undefined>((answer) => setTimeout(answer, ANSWERS_AFTER_MS)) };',
];

describe('the house', () => {
  it('has imports in one direction only', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter((to) => /^(schema|services|bridge)\//.test(to) && !ARROWS[partOf(path)]?.includes(partOf(to)))
        .map((to) => `${path} → ${to}`),
    );
    expect(wrong).toEqual([]);
    expect(sources.length).toBeGreaterThan(20);
  });

  it('has examples that need nothing of it', () => {
    const examples = sources.filter(({ path }) => path.startsWith('bridge/examples/'));
    const ours = examples.flatMap(({ path, imports }) =>
      imports.filter((to) => /^(schema|services|bridge\/(?!examples\/))/.test(to)).map((to) => `${path} → ${to}`),
    );
    expect(ours).toEqual([]);
  });

  it('has one place that knows each store', () => {
    const users = (name: RegExp, homes: RegExp): string[] =>
      sources
        .filter(({ path, imports }) => imports.some((to) => name.test(to)) && !homes.test(path))
        .map(({ path }) => path);
    expect(users(/^nats$/, /^services\/(journal|embedded)\/|^services\/api\/gateway|^bridge\//)).toEqual([]);
    expect(users(/^mongodb$/, /^services\/(views|embedded)\//)).toEqual([]);
  });

  it('never waits in its core, which knows no clock', () => {
    const impure = /\bawait\b|\basync\b|Date\.now|new Date|Math\.random|setTimeout|process\./;
    expect(
      linesWith(
        sources.filter(({ path }) => path.startsWith('services/lane/')),
        impure,
        () => false,
      ),
    ).toEqual([]);
  });

  it('reads the environment in one file', () => {
    expect(
      linesWith(sources, /process\.env/, (path) => path === 'services/config.ts' || path.endsWith('.mjs')),
    ).toEqual([]);
  });

  it('writes its subjects in one file', () => {
    const subjects = /['"`]chat\.(lane|live|receipt|snapshot|undelivered|delivery|integration|app|gate|js|bridge)\b/;
    // An example is a stranger's program: it has the published names, and nothing of ours.
    const isElsewhere = (path: string) => path === 'schema/subjects.ts' || path.startsWith('bridge/examples/');
    expect(linesWith(sources, subjects, isElsewhere)).toEqual([]);
  });

  it('ends its process and hears signals in one file', () => {
    const ending = /process\.exit\(|process\.(on|once)\(\s*['"]SIG/;
    expect(linesWith(sources, ending, (path) => path === 'services/run.ts' || path.endsWith('.mjs'))).toEqual([]);
  });

  it('has no drawer for the rest', () => {
    const drawers = everything.filter(({ path }) => /(^|\/)(utils?|helpers?|common|misc|index)(\/|\.ts$)/.test(path));
    expect(drawers.map(({ path }) => path)).toEqual([]);
  });

  it('has no barrel', () => {
    const barrels = sources.filter(
      ({ text }) => /^export (\*|\{[^}]*\}) from/m.test(text) && !/\b(const|function|class)\b/.test(text),
    );
    expect(barrels.map(({ path }) => path)).toEqual([]);
  });

  describe('does not sleep in its tests', () => {
    const tests = everything.filter(({ path }) => /^test\/([^/]*\.(test|contract)\.ts|support\/.*)$/.test(path));

    it('anywhere', () => {
      const isElsewhere = (path: string) => path.endsWith('architecture.test.ts');
      const found = linesWith(tests, SLEEPS, isElsewhere).map((line) => line.replace(/:\d+:/, ':'));
      expect(found.filter((line) => !NO_SLEEPS.includes(line))).toEqual([]);
    });

    it.each(SLEEPING)('by %s', (line) => expect(line).toMatch(SLEEPS));
    it.each(WAKING)('and not by %s', (line) => expect(line).not.toMatch(SLEEPS));

    it('nor fails where something took less than two seconds', () => {
      const bounds = tests.flatMap(({ path, text }) =>
        [
          ...text.matchAll(
            /\bnow\(\)[^;\n]*\)\.toBeLessThan(?:OrEqual)?\(([\d_]+)\)|\b(?:poll|waitFor|until)\([^;]*?timeout: ([\d_]+)/g,
          ),
        ]
          .map(
            ([line, bound, timeout]) => [Number((bound ?? timeout)?.replaceAll('_', '')), `${path}: ${line}`] as const,
          )
          .filter(([ms]) => ms < 2_000)
          .map(([, line]) => line),
      );
      expect(bounds).toEqual([]);
    });
  });
});
