/** The executable schema: the published SDL, and our resolvers on it. */
import { readFileSync } from 'node:fs';
import { buildSchema, type GraphQLFieldResolver, type GraphQLSchema, isObjectType, isScalarType } from 'graphql';
import type { Millis } from '../../../schema/ids.ts';
import { packageFile } from '../../package-files.ts';

const SDL = 'schema/chat.graphql';

/** By type and field. Types are checked where a resolver is written; graphql-js knows none. */
export type ResolverMap = Readonly<Record<string, Readonly<Record<string, (...args: never[]) => unknown>>>>;

/** Throws where a resolver stands for a field that the SDL does not have. */
export function schemaWith(...resolvers: readonly ResolverMap[]): GraphQLSchema {
  const schema = buildSchema(readFileSync(packageFile(SDL), 'utf8'));
  for (const [typeName, fields] of resolvers.flatMap(Object.entries<ResolverMap[string]>)) {
    const type = schema.getType(typeName);
    if (!isObjectType(type)) throw new Error(`resolvers for ${typeName}, which is no object type of the schema`);
    for (const [fieldName, resolve] of Object.entries(fields)) {
      const field = type.getFields()[fieldName];
      if (!field) throw new Error(`a resolver for ${typeName}.${fieldName}, which is not in the schema`);
      field.resolve = resolve as GraphQLFieldResolver<unknown, unknown>;
    }
  }
  const dateTime = schema.getType('DateTime');
  if (isScalarType(dateTime)) dateTime.serialize = (value) => new Date(value as Millis).toISOString();
  return schema;
}
