/** `npm run licences`: every package that Lanes is made of, with its licence, by package-lock.json; what is only for development says so. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export type Dependency = {
  readonly name: string;
  readonly version: string;
  /** SPDX; '': it names none. */
  readonly licence: string;
  /** false: needed to build or to test, and not in what runs. */
  readonly runs: boolean;
};
type Locked = { readonly version?: string; readonly license?: string; readonly dev?: boolean };

/** Of these a package says nothing in its package.json; its LICENSE file was read. */
const READ_BY_HAND: Readonly<Record<string, string>> = { 'middleware-handler@0.2.0': 'MIT' };

/** `root`: the folder with package-lock.json. */
export function dependenciesOf(root: string): readonly Dependency[] {
  const lock = JSON.parse(readFileSync(resolve(root, 'package-lock.json'), 'utf8'));
  const packages = Object.entries(lock.packages as Readonly<Record<string, Locked>>).filter(([path]) => path !== '');
  return packages.map(([path, { version = '', license, dev = false }]) => {
    const name = path.replace(/^.*node_modules\//, '');
    return { name, version, licence: license ?? READ_BY_HAND[`${name}@${version}`] ?? '', runs: !dev };
  });
}

/** Printed only where this file is what was run: as dist/test/support/licences.js. */
if (process.argv[1]?.endsWith('licences.js'))
  for (const { name, version, licence, runs } of dependenciesOf(process.cwd()))
    console.log([licence.padEnd(18), runs ? 'runs       ' : 'development', `${name} ${version}`].join('  '));
