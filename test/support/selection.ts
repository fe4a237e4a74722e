/** Everything that the schema lets one ask for, and what came of it by type and field. */
import { readFileSync } from 'node:fs';
import {
  buildSchema,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isObjectType,
} from 'graphql';

export const schema: GraphQLSchema = buildSchema(readFileSync('schema/chat.graphql', 'utf8'));

export const rootFieldsOf = (root: 'Query' | 'Mutation' | 'Subscription'): string[] =>
  Object.keys(schema.getRootType(root.toLowerCase() as never)?.getFields() ?? {});

/** `Type.field` of every object type that an answer can hold, roots and interfaces left out. */
export function allFields(): string[] {
  const roots = ['Query', 'Mutation', 'Subscription'];
  const types = Object.values(schema.getTypeMap()).filter(
    (type) => isObjectType(type) && !type.name.startsWith('__') && !roots.includes(type.name),
  );
  return types.flatMap((type) =>
    isObjectType(type) ? Object.keys(type.getFields()).map((field) => `${type.name}.${field}`) : [],
  );
}

/**
 * All fields of a type, and of what is in them; what stands below a field of a type is asked for where that field comes first.
 * Lists are asked for `first` at a time.
 */
export function selectionOf(type: GraphQLNamedType, first = 8, asked = new Set<string>()): string {
  if (!isObjectType(type) && !isInterfaceType(type)) return '';
  const own = type.getFields();
  const parts = Object.values(own).map((field) => fieldOf(type.name, field, first, asked));
  const variants = isInterfaceType(type) ? schema.getPossibleTypes(type) : [];
  for (const variant of variants) {
    const more = Object.values(variant.getFields()).filter(({ name }) => !own[name]);
    if (more.length > 0)
      parts.push(
        `... on ${variant.name} { ${more.map((field) => fieldOf(variant.name, field, first, asked)).join(' ')} }`,
      );
  }
  return `{ __typename ${parts.join(' ')} }`;
}

function fieldOf(parent: string, field: GraphQLField<unknown, unknown>, first: number, asked: Set<string>): string {
  const named = getNamedType(field.type);
  const call = field.args.some(({ name }) => name === 'first') ? `${field.name}(first: ${first})` : field.name;
  if (!isCompositeType(named)) return call;
  const position = `${parent}.${field.name}`;
  if (asked.has(position)) return `${call} { __typename }`;
  asked.add(position);
  return `${call} ${selectionOf(named, first, asked)}`;
}

/** One root field with everything below it. `call`: with its arguments. */
export function operationOf(root: 'query' | 'mutation' | 'subscription', variables: string, call: string): string {
  const name = call.split('(')[0] ?? '';
  const field = schema.getRootType(root as never)?.getFields()[name];
  if (!field) throw new Error(`no ${root} ${name}`);
  return `${root}${variables} { ${call} ${selectionOf(getNamedType(field.type))} }`;
}

/** What a reader saw of each `Type.field`: a value, or only null. */
export type Seen = Map<string, 'value' | 'null'>;

export function note(seen: Seen, value: unknown): void {
  if (Array.isArray(value)) for (const one of value) note(seen, one);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const { __typename: type, ...fields } = value as Readonly<Record<string, unknown>>;
  for (const [field, inner] of Object.entries(fields)) {
    // Where something was only asked for its type, nothing is said of its fields.
    if (typeof type === 'string' && (inner !== null || !seen.has(`${type}.${field}`)))
      seen.set(`${type}.${field}`, inner === null ? 'null' : 'value');
    note(seen, inner);
  }
}
