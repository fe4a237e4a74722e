/** What is published of the commands: made of the shapes that check them, whole, and committed as it is made. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { asyncApi } from '../bridge/asyncapi.ts';
import { endpointMetadata } from '../bridge/describe.ts';
import { isVerb, parseRequest, REQUESTS, type Verb } from '../bridge/requests.ts';
import { VERBS } from '../bridge/rights.ts';
import { yamlOf } from '../bridge/yaml.ts';
import { BadInput } from '../services/lane/parse.ts';

const document = asyncApi('1.0.0');

function* refsIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, part] of Object.entries(value))
    if (key === '$ref') yield String(part);
    else yield* refsIn(part);
}
const at = (path: string): unknown =>
  path
    .split('/')
    .slice(1)
    .reduce((value: unknown, part) => (value as Record<string, unknown> | undefined)?.[part], document);

describe('asyncapi.yaml', () => {
  it('is what bridge/generate.ts writes', async () => {
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', 'bridge/generate.ts', '--check']);
    await expect(run).resolves.toMatchObject({ stdout: expect.stringContaining('is current') });
  });

  it('refers to what is there', () => {
    const refs = [...refsIn(document)];
    expect(refs.length).toBeGreaterThan(100);
    const missing = refs.filter((ref) =>
      ref.startsWith('#') ? at(ref) === undefined : !existsSync(join('schema', ref)),
    );
    expect(missing).toEqual([]);
  });

  it('describes every field of a request, every one of a reply, and every channel', () => {
    const undescribed: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      const { properties } = value as { readonly properties?: Record<string, { description?: string; $ref?: string }> };
      for (const [name, field] of Object.entries(properties ?? {})) {
        const isPart = field.$ref !== undefined || 'properties' in field || 'items' in field || 'anyOf' in field;
        if (!field.description && !isPart) undescribed.push(`${path}.${name}`);
      }
      for (const [key, part] of Object.entries(value)) walk(part, `${path}.${key}`);
    };
    walk(document, '');
    expect(undescribed).toEqual([]);
  });

  it('has a channel and an operation for every verb, and the service’s metadata the same schemas', () => {
    const { channels, operations } = document as Record<'channels' | 'operations', Record<string, unknown>>;
    expect(Object.keys(channels)).toEqual(expect.arrayContaining([...VERBS]));
    expect(Object.keys(operations)).toEqual(expect.arrayContaining([...VERBS]));
    expect(Object.keys(REQUESTS).sort()).toEqual([...VERBS].sort());
    for (const verb of VERBS.filter(isVerb))
      expect(Object.keys(JSON.parse(endpointMetadata(verb)['request_schema'] ?? '').properties)).toEqual(
        Object.keys(REQUESTS[verb].shape),
      );
  });

  it('is YAML that says what is meant', () => {
    expect(
      yamlOf({ a: 'plain', b: 'yes', c: 'two: words', d: [1, { e: null }, []], f: {}, g: [['x']], h: undefined }),
    ).toBe(
      [
        'a: plain',
        'b: "yes"',
        'c: "two: words"',
        'd:',
        '  - 1',
        '  - e: null',
        '  - []',
        'f: {}',
        'g:',
        '  - - x',
        '',
      ].join('\n'),
    );
  });
});

describe('the protocol', () => {
  const text = readFileSync('schema/PROTOCOL.md', 'utf8');
  const section = text.slice(text.indexOf('## 19.'));

  it('has every verb with its fields', () => {
    for (const verb of VERBS) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${verb}\` |`)) ?? '';
      const fields = Object.keys(REQUESTS[verb as Verb].shape).filter((name) => name !== 'requestId' && name !== 'as');
      for (const field of fields) expect(row, `${verb}: ${field}`).toContain(`\`${field}\``);
    }
  });

  it('shows replies and requests as they are', () => {
    const blocks = [...section.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block = '']) => block);
    for (const line of blocks.flatMap((block) => block.trim().split('\n')))
      expect(() => JSON.parse(line), line).not.toThrow();
  });

  it('has examples that are taken', () => {
    const page = readFileSync('docs/bridge.md', 'utf8');
    const asked = [...page.matchAll(/cmd\.([\w-]+) '(\{.*?\})'/g)];
    expect(asked.length).toBeGreaterThan(0);
    for (const [, verb = '', body = ''] of asked) {
      if (!isVerb(verb)) throw new BadInput('verb', verb);
      expect(() => parseRequest(verb, JSON.parse(body)), body).not.toThrow();
    }
  });
});
