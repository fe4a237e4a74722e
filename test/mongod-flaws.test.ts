/** Which mongod is known to be unsafe before whoever can reach it, and what is said and done about it. */
import { expect, test } from 'vitest';
import { checkFlaws } from '../services/cli/checks.ts';
import {
  flawsOf,
  isOutdated,
  MONGODB_RELEASE,
  SOURCES,
  type Version,
  versionOf,
} from '../services/embedded/sources.ts';

const outdated = (text: string): boolean => isOutdated(SOURCES.mongod, versionOf(text) as Version);

test.each([
  ['6.0.5', ['CVE-2025-14847', 'CVE-2026-118383'], '6.0.30'],
  ['6.0.27', ['CVE-2026-118383'], '6.0.30'],
  ['6.0.30', [], undefined],
  ['7.0.27', ['CVE-2025-14847', 'CVE-2026-118383'], '7.0.48'],
  ['7.0.28', ['CVE-2026-118383'], '7.0.48'],
  ['7.0.48', [], undefined],
  ['8.0.16', ['CVE-2025-14847', 'CVE-2026-118383'], '8.0.37'],
  ['8.0.17', ['CVE-2026-118383'], '8.0.37'],
  ['8.0.37', [], undefined],
  // No patches come for it any more.
  ['8.1.2', ['CVE-2025-14847', 'CVE-2026-118383'], '8.0.37'],
  ['8.2.2', ['CVE-2025-14847', 'CVE-2026-118383'], '8.0.37'],
  ['8.2.3', ['CVE-2026-118383'], '8.0.37'],
  ['8.3.15', ['CVE-2026-118383'], '8.3.16'],
  ['8.3.16', [], undefined],
])('of %s the doctor warns of %j', (text, flaws: readonly string[], mended) => {
  const findings = checkFlaws(versionOf(text) as Version, ['zlib']);
  expect(findings.map(({ state }) => state)).toEqual(flaws.length === 0 ? [] : ['warning']);
  for (const id of ['CVE-2025-14847', 'CVE-2026-118383'])
    expect(findings.some(({ says }) => says.includes(id))).toBe(flaws.includes(id));
  if (mended !== undefined) expect(findings[0]?.mend).toContain(mended);
  const off = checkFlaws(versionOf(text) as Version, []);
  expect(off.some(({ says }) => says.includes('CVE-2025-14847'))).toBe(false);
});

test('one that was downloaded is asked for anew where a later patch of its series is known, and never of another', () => {
  expect(['8.0.12', '8.0.37', '8.0.38', '6.0.5', '8.3.1'].map((text) => outdated(text))).toEqual([
    ...[true, false, false, false, false],
  ]);
  expect(flawsOf(versionOf(MONGODB_RELEASE) as Version)).toEqual([]);
});
