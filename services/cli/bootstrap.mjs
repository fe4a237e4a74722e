#!/usr/bin/env node
/**
 * The way from a fresh clone to a running command: checks Node, installs what package-lock.json says, compiles what is newer
 * than `dist/`, and goes on in the same process with the compiled command line (or, with `--run file.ts`, with that file).
 * Plain JavaScript without dependencies, because nothing is there before it ran. It speaks on stderr only: stdout belongs
 * to the command. Several may run at once: each step is done by one of them, the others wait for it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import module from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const DIST = join(ROOT, 'dist');
const STAMP = join(DIST, '.sources');
const SOURCE_FOLDERS = ['schema', 'services', 'bridge', 'test'];
const OLDEST_NODE = [20, 19];
const LOCK_LIMIT_MS = 10 * 60_000;

const say = (line) => process.stderr.write(`${line}\n`);
class Stop extends Error {}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const old = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  if (old) throw new Stop(`Lanes needs Node ${OLDEST_NODE.join('.')} or newer, this is ${process.versions.node}`);
}

/** Whether node_modules holds what package-lock.json says; npm keeps its own record of what it installed. */
function isInstalled() {
  const record = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  return Object.entries(wanted).every(([path, { version, integrity, optional, link }]) => {
    if (path === '' || link) return true;
    const there = installed[path];
    if (there === undefined) return Boolean(optional);
    return there.version === version && there.integrity === integrity;
  });
}

async function install() {
  say('installing the packages of package-lock.json (npm ci), once …');
  const started = Date.now();
  const ticks = setInterval(() => say(`installing … ${Math.round((Date.now() - started) / 1000)} s`), 5000);
  try {
    await run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
  } finally {
    clearInterval(ticks);
  }
  say(`installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** Names, sizes and times of all sources: equal to the stamp of the last build if nothing was changed, added or removed. */
function sourcesNow() {
  const hash = createHash('sha1');
  const add = (path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${relative(ROOT, path)} ${size} ${mtimeMs}\n`);
  };
  for (const file of ['tsconfig.json', 'package-lock.json']) add(join(ROOT, file));
  for (const folder of SOURCE_FOLDERS) {
    if (!existsSync(join(ROOT, folder))) continue;
    const names = readdirSync(join(ROOT, folder), { recursive: true }).sort();
    for (const name of names) if (/\.(ts|json)$/.test(name)) add(join(ROOT, folder, name));
  }
  return hash.digest('hex');
}

const isBuilt = () => existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sourcesNow();

/**
 * Compiles beside `dist/` and moves over what changed, file by file: a process that runs from `dist/` never reads half a
 * file. Types are not checked here, `npm test` does that.
 */
async function build() {
  const sources = sourcesNow();
  // What a killed build left; only one process builds at a time.
  for (const name of readdirSync(DIST)) if (name.startsWith('.build-')) rmSync(join(DIST, name), { recursive: true });
  const fresh = join(DIST, `.build-${process.pid}`);
  try {
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = ['--incremental', 'false', '--noCheck', '--tsBuildInfoFile', 'null', '--outDir', fresh];
    await run(process.execPath, [tsc, '-p', ROOT, ...options]);
    const made = new Set(filesIn(fresh));
    for (const name of made) move(join(fresh, name), join(DIST, name));
    for (const name of filesIn(DIST)) {
      if (/^(schema|services|bridge|test)[/\\]/.test(name) && !made.has(name))
        rmSync(join(DIST, name), { force: true });
    }
    writeFileSync(STAMP, sources);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function move(from, to) {
  let content = readFileSync(from, 'utf8');
  // The build was one folder deeper than where its files go.
  if (from.endsWith('.map')) content = content.replace(/"(\.\.\/)(?=(\.\.\/)+)/g, '"');
  if (existsSync(to) && readFileSync(to, 'utf8') === content) return;
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(from, content);
  renameSync(from, to);
}

/** Does `work` unless `isDone`; of several processes one works, the others wait and find it done. */
async function once(name, isDone, work) {
  if (isDone()) return;
  const lock = join(ROOT, `dist/.${name}.lock`);
  mkdirSync(DIST, { recursive: true });
  const until = Date.now() + LOCK_LIMIT_MS;
  let told = false;
  while (!take(lock)) {
    if (!told) say(`waiting for another process to ${name} …`);
    told = true;
    if (Date.now() > until)
      throw new Stop(`another process has been at it for minutes; if there is none, remove ${lock}`);
    await new Promise((wake) => setTimeout(wake, 100));
  }
  try {
    if (!isDone()) await work();
  } finally {
    rmSync(join(lock, 'pid'), { force: true });
    rmdirSync(lock);
  }
}

function take(lock) {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (isAbandoned(lock)) {
    // Renamed first: of two that see it abandoned only one gets to remove it.
    const away = `${lock}-${process.pid}`;
    try {
      renameSync(lock, away);
      rmSync(away, { recursive: true, force: true });
    } catch {
      return false;
    }
  }
  return false;
}

function isAbandoned(lock) {
  try {
    process.kill(Number(readFileSync(join(lock, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    return error.code === 'ENOENT' && since !== undefined && Date.now() - since > 10_000;
  }
}

function run(command, args) {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
    child.once('error', (error) => failed(new Stop(`${command} cannot be run: ${error.message}`)));
    child.once('exit', (code, signal) =>
      code === 0 ? done() : failed(new Stop(`${[command, ...args].join(' ')} ended with ${signal ?? code}`)),
    );
  });
}

async function main() {
  checkNode();
  await once('install', isInstalled, install);
  await once('build', isBuilt, build);
  const args = process.argv.slice(2);
  const [entry, rest] =
    args[0] === '--run' ? [args[1]?.replace(/\.ts$/, '.js'), args.slice(2)] : ['services/cli/main.js', args];
  const target = join(DIST, entry ?? '');
  if (entry === undefined || !existsSync(target)) throw new Stop(`there is no ${args[1] ?? 'file to run'}`);
  process.argv = [process.argv[0], target, ...rest];
  module.enableCompileCache?.();
  await import(pathToFileURL(target).href);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  say(error.message);
  process.exitCode = 1;
}
