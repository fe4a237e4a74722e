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

  it('does not sleep in its tests', () => {
    const sleeping = /\b(sleep|delay)\(|setTimeout\(\s*(resolve|r|done)\b|timers\/promises/;
    expect(
      linesWith(
        everything.filter(({ path }) => /^test\/[^/]*\.test\.ts$/.test(path)),
        sleeping,
        (path) => path.endsWith('architecture.test.ts'),
      ),
    ).toEqual([]);
  });
});
