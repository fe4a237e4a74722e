/**
 * `npm test`: everything that must pass, one after the other, each with its output as it comes. The last line is
 * `N passed, N failed`; each check counts as one, and so does each test.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file runs as dist/test/support/all.js. */
const ROOT = resolve(fileURLToPath(new URL('.', import.meta.url)), '../../..');
const BOOTSTRAP = 'services/cli/bootstrap.mjs';
/** Each test file starts servers of its own: more at once than this only makes them slow. */
const WORKERS = 2;

type Count = { readonly passed: number; readonly failed: number };
type Check = { readonly name: string; readonly args: readonly string[] };

const CHECKS: readonly Check[] = [
  { name: 'format and lint', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '--max-diagnostics=50', '.'] },
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit', '--incremental', 'false', '-p', '.'] },
  { name: 'generated types are current', args: [BOOTSTRAP, '--run', 'schema/generate.ts', '--check'] },
  { name: 'asyncapi.yaml is current', args: [BOOTSTRAP, '--run', 'bridge/generate.ts', '--check'] },
];
const FAULTS: Check = { name: 'a short fault run', args: [BOOTSTRAP, '--run', 'test/faults/run.ts'] };

function exitOf(args: readonly string[]): Promise<number> {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', () => done(1));
    child.once('exit', (code) => done(code ?? 1));
  });
}

async function check({ name, args }: Check): Promise<Count> {
  const started = Date.now();
  console.log(`\n── ${name}`);
  const passed = (await exitOf(args)) === 0;
  console.log(`── ${name}: ${passed ? 'passed' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1 };
}

/** Every test by vitest; a run that ends badly without a failed test counts as one. */
async function tests(): Promise<Count> {
  console.log('\n── tests');
  const folder = mkdtempSync(join(tmpdir(), 'lanes-results-'));
  const results = join(folder, 'results.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts'];
  try {
    const code = await exitOf([...vitest, `--maxWorkers=${WORKERS}`, ...reporters]);
    const counted = existsSync(results) ? countOf(readFileSync(results, 'utf8')) : { passed: 0, failed: 0 };
    return { passed: counted.passed, failed: code !== 0 && counted.failed === 0 ? 1 : counted.failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file that could not even be loaded has no tests; it counts as one that failed. */
function countOf(json: string): Count {
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(json) as {
    numPassedTests: number;
    numFailedTests: number;
    testResults: { status: string; assertionResults: { status: string }[] }[];
  };
  const silent = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  return { passed: numPassedTests, failed: numFailedTests + silent.length };
}

const counts: Count[] = [];
for (const one of CHECKS) counts.push(await check(one));
counts.push(await tests());
if (existsSync(join(ROOT, 'test/faults/run.ts'))) counts.push(await check(FAULTS));

const total = (of: (count: Count) => number) => counts.reduce((sum, count) => sum + of(count), 0);
const failed = total((count) => count.failed);
process.exitCode = failed === 0 ? 0 : 1;
console.log(`\n${total((count) => count.passed)} passed, ${failed} failed`);
