/** The published contract keeps its own rules, only grows, and its examples are true. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  buildSchema,
  findBreakingChanges,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLInterfaceType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
  parse,
  validate,
  validateSchema,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { REFUSALS } from '../schema/commands.ts';
import { INSTALLATION_BUCKET, REVOCATION_STREAM } from '../schema/subjects.ts';
import { SETTING_NAMES } from '../services/config.ts';

const sdl = readFileSync('schema/chat.graphql', 'utf8');
const schema = buildSchema(sdl);
const types = Object.values(schema.getTypeMap()).filter(
  (type) => !type.name.startsWith('__') && !isSpecifiedScalarType(type),
);
type Fielded = GraphQLObjectType | GraphQLInterfaceType;
const isFielded = (type: GraphQLNamedType): type is Fielded => isObjectType(type) || isInterfaceType(type);
const fieldsOf = (type: Fielded): readonly GraphQLField<unknown, unknown>[] => Object.values(type.getFields());
const fielded = types.filter(isFielded);
const outputs = fielded.flatMap((type) =>
  fieldsOf(type).map((field) => ({ at: `${type.name}.${field.name}`, type, field })),
);
const valuesOf = (name: string): readonly string[] => {
  const type = schema.getType(name);
  return isEnumType(type) ? type.getValues().map((value) => value.name) : [];
};
const possible = (name: string): readonly GraphQLObjectType[] =>
  schema.getPossibleTypes(schema.getType(name) as GraphQLInterfaceType);

describe('the schema', () => {
  it('is valid', () => expect(validateSchema(schema)).toEqual([]));

  it('describes every type, field, argument, input field and value', () => {
    const described = types.flatMap((type) => [
      { at: type.name, of: type },
      ...(isFielded(type)
        ? fieldsOf(type).flatMap((field) => [
            { at: `${type.name}.${field.name}`, of: field },
            ...field.args.map((argument) => ({ at: `${type.name}.${field.name}(${argument.name})`, of: argument })),
          ])
        : []),
      ...(isInputObjectType(type)
        ? Object.values(type.getFields()).map((field) => ({ at: `${type.name}.${field.name}`, of: field }))
        : []),
      ...(isEnumType(type) ? type.getValues().map((value) => ({ at: `${type.name}.${value.name}`, of: value })) : []),
    ]);
    expect(described.length).toBeGreaterThan(100);
    expect(described.filter(({ of }) => !/\S/.test(of.description ?? '')).map(({ at }) => at)).toEqual([]);
  });

  it('gives each mutation one input, and a nullable payload of its own with `refused`', () => {
    for (const field of fieldsOf(schema.getMutationType() as GraphQLObjectType)) {
      const name = `${field.name.slice(0, 1).toUpperCase()}${field.name.slice(1)}`;
      expect(`${field.name}(${field.args.map((a) => `${a.name}: ${a.type}`)}): ${field.type}`).toBe(
        `${field.name}(input: ${name}Input!): ${name}Payload`,
      );
      const { accepted, refused } = (getNamedType(field.type) as GraphQLObjectType).getFields();
      expect(String(refused?.type), field.name).toBe('Refused');
      // What writes a lane takes a key, and says where it stands.
      const { clientKey } = (getNamedType(field.args[0]?.type) as GraphQLInputObjectType).getFields();
      expect(String(accepted?.type), field.name).toBe(clientKey ? 'Accepted' : 'undefined');
    }
  });

  it('calls a name, and only a name, `id` or `…Id`', () => {
    const named = (name: string): boolean => name === 'id' || name.endsWith('Id');
    // A device is nothing but its name to all but its user.
    expect(
      outputs.filter(({ field }) => named(field.name) !== (getNamedType(field.type).name === 'ID')).map(({ at }) => at),
    ).toEqual(['Delivery.deliveredTo', 'PushAttempt.device']);
    const inputs = types.filter(isInputObjectType).flatMap((type) => Object.values(type.getFields()));
    const takes = [...inputs, ...outputs.flatMap(({ field }) => field.args)];
    expect(takes.filter((at) => named(at.name) && getNamedType(at.type).name !== 'ID')).toEqual([]);
  });

  it('has a list only as a page, as what an event says once and for all, or of devices', () => {
    const events = new Set<string>(possible('ConversationEvent').map((type) => type.name));
    const lists = outputs.filter(({ field }) => isListType(getNullableType(field.type)));
    const others = lists.filter(({ type }) => !type.name.endsWith('Connection') && !events.has(type.name));
    expect(others.map(({ at }) => at)).toEqual(['Me.devices', 'Delivery.attempts']);
  });

  it('makes each page a Relay connection with a limit', () => {
    for (const { at, field } of outputs.filter(({ field }) => getNamedType(field.type).name.endsWith('Connection'))) {
      expect(isNonNullType(field.type), at).toBe(false);
      expect(
        field.args.map(({ name }) => name),
        at,
      ).toEqual(expect.arrayContaining(['first', 'after']));
      const { edges, nodes, pageInfo } = (getNamedType(field.type) as GraphQLObjectType).getFields();
      const edge = getNamedType(edges?.type) as GraphQLObjectType;
      const { node, cursor } = edge.getFields();
      expect(
        [edges, nodes, pageInfo, cursor].map((one) => String(one?.type)),
        at,
      ).toEqual([`[${edge.name}!]!`, `[${node?.type}]!`, 'PageInfo!', 'String!']);
    }
  });

  it('gives a field of one name one type and nullability in all types of an interface', () => {
    for (const type of types.filter(isInterfaceType)) {
      const seen = new Map<string, string>();
      for (const member of [type, ...schema.getPossibleTypes(type)])
        for (const field of fieldsOf(member)) {
          // The one exception: an inbox has frames of no conversation, and events always have theirs.
          if (type.name === 'InboxFrame' && field.name === 'conversationId') continue;
          const before = seen.get(field.name) ?? String(field.type);
          expect(`${member.name}.${field.name}: ${field.type}`).toBe(`${member.name}.${field.name}: ${before}`);
          seen.set(field.name, before);
        }
    }
  });

  it('takes nothing away from the last release', () => {
    const released = buildSchema(readFileSync('schema/released/chat.graphql', 'utf8'));
    expect(findBreakingChanges(released, schema)).toEqual([]);
  });

  it('names the refusals that a command can get', () => {
    expect([...valuesOf('RefusalCode')].sort()).toEqual(Object.keys(REFUSALS).sort());
  });

  it('is what the committed types were written from', async () => {
    const run = promisify(execFile)(process.execPath, ['--import', 'tsx', 'schema/generate.ts', '--check']);
    await expect(run).resolves.toMatchObject({ stdout: expect.stringContaining('is current') });
    expect(readFileSync('schema/generated.ts', 'utf8').replace(/\/\*.*?\*\//gs, '')).not.toMatch(/\bany\b/);
  });
});

describe('the schemas of events', () => {
  const files = readdirSync('schema/events');
  const read = (file: string) => JSON.parse(readFileSync(`schema/events/${file}`, 'utf8'));

  it('are there for each event', () => {
    expect([...files].sort()).toEqual(
      possible('ConversationEvent')
        .map((type) => `${type.name}.json`)
        .sort(),
    );
  });

  it.each(files)('%s fits its examples, lets fields be added, and lets none be left out', (file) => {
    const { examples, ...json } = read(file);
    const fits = z.fromJSONSchema(json);
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(example.type).toBe(file.replace('.json', ''));
      expect(fits.safeParse(example).error).toBeUndefined();
      expect(fits.safeParse({ ...example, later: 1 }).success).toBe(true);
      for (const name of json.required)
        expect(fits.safeParse({ ...example, [name]: undefined }).success, name).toBe(false);
    }
  });
});

describe.each(['schema/PROTOCOL.md', 'README.md'])('the examples of %s', (page) => {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, kind, text]) => ({
    kind,
    text: text as string,
  }));
  const documents = blocks.filter(({ kind }) => kind === 'graphql').map(({ text }) => text);
  const objects = blocks
    .filter(({ kind }) => kind === 'json')
    .flatMap(({ text }) =>
      /^[→←]/.test(text)
        ? text
            .trim()
            .split('\n')
            .map((line) => line.slice(2))
        : [text],
    )
    .map((text) => JSON.parse(text));
  const requests = objects
    .flatMap((one) => [one.query, one.payload?.query])
    .filter((query) => typeof query === 'string');
  // In a command line: --data '{"query":"…"}', where '$NAME' lets the shell put in a value.
  const pasted = blocks
    .filter(({ kind }) => kind === 'sh')
    .flatMap(({ text }) => [...text.matchAll(/'(\{"query":.*?\})'/gs)])
    .map(([, body]) => JSON.parse((body as string).replace(/'\$\w+'/g, 'x')).query as string);

  it('are documents that the schema knows', () => {
    const all = [...documents, ...requests, ...pasted];
    expect(all.length).toBeGreaterThan(0);
    for (const text of all) expect(validate(schema, parse(text)), text).toEqual([]);
  });
});

it('the protocol says what to do on every code, reason and frame', () => {
  const text = readFileSync('schema/PROTOCOL.md', 'utf8');
  const names = [
    ...['RefusalCode', 'ErrorCode', 'ResetReason'].flatMap(valuesOf),
    ...possible('ConversationFrame').map((type) => type.name),
  ];
  expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});

describe.each([
  'README.md',
  'CONTRIBUTING.md',
  'docs/operations.md',
  ...readdirSync('docs/decisions').map((page) => `docs/decisions/${page}`),
])('what %s names', (page) => {
  const text = readFileSync(page, 'utf8');

  it('is there', () => {
    const paths = [...text.matchAll(/`((?:schema|services|test|docs|bridge)\/[\w./-]*)`/g)].map(
      ([, path]) => path as string,
    );
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) =>
      join(dirname(page), path as string),
    );
    expect([...paths, ...links].filter((path) => !existsSync(path))).toEqual([]);
  });

  it('is in the file that it names beside it', () => {
    const rows = [...text.matchAll(/^\|.*\| `(services\/[\w./-]+)` \| (.*) \|$/gm)];
    const missing = rows.flatMap(([, path = '', names = '']) => {
      const source = readFileSync(path, 'utf8');
      return [...names.matchAll(/`(\w+)`/g)].flatMap(([, name]) =>
        new RegExp(`\\b${name}\\b`).test(source) ? [] : [`${path}: ${name}`],
      );
    });
    expect(missing).toEqual([]);
  });
});

it('the page for operators names every setting and every figure, and no other', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  const text = page.replaceAll(INSTALLATION_BUCKET, '').replaceAll(REVOCATION_STREAM, '');
  const namesIn = (of: string, pattern: RegExp): readonly string[] => [...new Set(of.match(pattern))].sort();
  expect(namesIn(text, /\bLANES_[A-Z_]+[A-Z]\b/g)).toEqual([...SETTING_NAMES].sort());
  const sources = readdirSync('services', { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(metrics|figures)\.ts$/.test(name),
  );
  const files = [
    ...sources.map((name) => `services/${name}`),
    'bridge/irc/metrics.ts',
    'bridge/command-metrics.ts',
    'bridge/door-metrics.ts',
    'bridge/webhook-metrics.ts',
  ];
  const code = files.map((name) => readFileSync(name, 'utf8')).join('\n');
  expect(namesIn(text, /\blanes_[a-z_]+/g)).toEqual(namesIn(code, /\blanes_[a-z_]+/g));
});
