/** The GraphQL engine behind every door: Yoga's enveloped execution, with documents and masking of our own. */
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql';
import { createYoga, type Plugin } from 'graphql-yoga';
import type { Buckets } from '../buckets.ts';
import type { Logger } from '../logger.ts';
import type { RequestContext } from './context.ts';
import { Documents } from './documents.ts';
import { badInput, publicError } from './errors.ts';

export interface Operation {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Readonly<Record<string, unknown>> | null | undefined;
}

export interface Engine {
  readonly schema: GraphQLSchema;
  readonly documents: Documents;
  /** Runs a query or mutation. Every error in the result is as the client may see it. Never throws. */
  execute(operation: Operation, context: RequestContext): Promise<ExecutionResult>;
}

export const NOT_HERE = 'A subscription goes by WebSocket, or with "Accept: text/event-stream".';

export function createEngine(options: {
  readonly schema: GraphQLSchema;
  readonly introspection: boolean;
  /** What each user may have read and checked. */
  readonly work: Buckets;
  readonly log: Logger;
}): Engine {
  const { schema, log } = options;
  const documents = new Documents(schema, options);
  const yoga = createYoga<Record<never, never>, RequestContext>({
    schema,
    plugins: [IN_ORDER],
    maskedErrors: { maskError: (error) => publicError(error, log) },
    logging: false,
    disposeOnProcessTerminate: false,
  });
  // None of our plugins depends on the request, so one enveloped execute serves them all.
  const enveloped = yoga.getEnveloped();
  return {
    schema,
    documents,
    execute: async ({ document, operation, variables }, contextValue) => {
      try {
        const result: ExecutionResult = await enveloped.execute({
          schema,
          document,
          operationName: operation.name?.value,
          variableValues: variables ?? undefined,
          contextValue,
        });
        return result.errors ? { ...result, errors: result.errors.map((error) => publicError(error, log)) } : result;
      } catch (error) {
        return { errors: [publicError(error, log)] };
      }
    },
  };
}

/** Yoga's own executor answers a query's fields in the order in which they are done; graphql-js keeps that of the document. */
const IN_ORDER: Plugin = { onExecute: ({ setExecuteFn }) => setExecuteFn(execute) };

/** The fields of a request as GraphQL over HTTP has them, in a body, a URL or a socket's frame. */
export interface Params {
  readonly query: string;
  readonly operationName: string | null | undefined;
  readonly variables: Readonly<Record<string, unknown>> | null | undefined;
}

/** Checks the form only. */
export function paramsOf(value: unknown): Params | GraphQLError {
  if (Array.isArray(value)) return badInput('request', 'one operation, not a batch of them');
  if (!isObject(value)) return badInput('request', 'a JSON object with the field "query"');
  const { query, operationName, variables } = value;
  if (typeof query !== 'string') return badInput('query', 'a GraphQL document, as a string');
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string')
    return badInput('operationName', 'a string');
  if (variables !== undefined && variables !== null && !isObject(variables))
    return badInput('variables', 'an object, by the variables\u2019 names');
  return { query, operationName, variables };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isSubscription = ({ operation }: OperationDefinitionNode): boolean =>
  operation === OperationTypeNode.SUBSCRIPTION;
