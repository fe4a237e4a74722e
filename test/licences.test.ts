/** What Lanes is made of, and under which licences. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { dependenciesOf } from './support/licences.ts';

const ROOT = resolve(import.meta.dirname, '..');
const run = promisify(execFile);
const dependencies = dependenciesOf(ROOT);

/** Of what runs: no more is asked than to keep notices. */
const PERMISSIVE = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'Unlicense', 'Zlib'];
/** Of tools beside it: their own files stay open. */
const FOR_DEVELOPMENT = [...PERMISSIVE, 'MPL-2.0'];

/** `MIT`, `(MIT OR GPL-3.0)`: one will do; `(MIT AND Zlib)`: all must. */
const isAllowed = (licence: string, allowed: readonly string[]): boolean =>
  licence
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((one) => one.split(' AND ').every((part) => allowed.includes(part)));

type Component = {
  readonly name: string;
  readonly version: string;
  readonly hashes: readonly unknown[];
  readonly properties?: readonly { readonly name: string }[];
};
const isForDevelopment = (component: Component | undefined): boolean =>
  component?.properties?.some(({ name }) => name === 'cdx:npm:package:development') ?? false;

test('every package has a licence that is allowed', () => {
  const wrong = dependencies.filter(({ licence, runs }) => !isAllowed(licence, runs ? PERMISSIVE : FOR_DEVELOPMENT));
  expect(wrong).toEqual([]);
  expect(dependencies.filter(({ runs }) => runs).length).toBeGreaterThan(50);
});

test('an unknown licence, or none, is not', () => {
  const licences = ['', 'GPL-3.0-only', 'SSPL-1.0', 'MIT AND AGPL-3.0-only', 'UNLICENSED'];
  for (const licence of licences) expect(isAllowed(licence, FOR_DEVELOPMENT)).toBe(false);
  expect(isAllowed('MPL-2.0', PERMISSIVE)).toBe(false);
  for (const licence of ['MIT', '(MIT OR GPL-3.0-only)', '(MIT AND Zlib)'])
    expect(isAllowed(licence, PERMISSIVE)).toBe(true);
});

test('npm run sbom lists all of them with versions and hashes, and which are for development only', {
  timeout: 60_000,
}, async () => {
  const { stdout } = await run('npm', ['run', '--silent', 'sbom'], { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  const { bomFormat, components } = JSON.parse(stdout) as { bomFormat: string; components: readonly Component[] };
  expect(bomFormat).toBe('CycloneDX');
  const listed = new Map(components.map((component) => [`${component.name}@${component.version}`, component]));
  // npm leaves out what both need where it is told to omit what development needs: so nothing is omitted.
  for (const { name, version, runs } of dependencies) {
    const component = listed.get(`${name}@${version}`);
    expect(component?.hashes, name).toHaveLength(1);
    if (runs) expect(isForDevelopment(component), name).toBe(false);
  }
  expect(components.some(isForDevelopment)).toBe(true);
});
