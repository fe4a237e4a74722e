/**
 * The GraphQL engine behind every door: Yoga, with documents and masking of our own. HTTP's hot path and WebSocket run
 * operations by its `execute`; what has no path of its own goes through its whole HTTP handling.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
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
import type { Logger } from '../logger.ts';
import type { RequestContext } from './context.ts';
import { Documents } from './documents.ts';
import { apiError, badInput, publicError } from './errors.ts';

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
  /** Answers a request that was let in already, by Yoga's own HTTP handling. */
  handle(request: IncomingMessage, response: ServerResponse, context: RequestContext): Promise<void>;
}

export const NOT_HERE = 'A subscription goes by WebSocket, or with "Accept: text/event-stream".';

export function createEngine(options: {
  readonly schema: GraphQLSchema;
  readonly introspection: boolean;
  readonly log: Logger;
}): Engine {
  const { schema, log } = options;
  const documents = new Documents(schema, options);
  const yoga = createYoga<{ context: RequestContext }, RequestContext>({
    schema,
    context: ({ context }) => context,
    plugins: [ours(documents)],
    maskedErrors: { maskError: (error) => publicError(error, log) },
    logging: false,
    // What Yoga would do of its own, done once for all doors by the outer handler.
    cors: false,
    graphiql: false,
    landingPage: false,
    multipart: false,
    batching: false,
    maxRequestBodySize: false,
    parserAndValidationCache: false,
    healthCheckEndpoint: '/graphql/healthz',
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
    handle: async (request, response, context) => {
      await yoga(request, response, { context });
    },
  };
}

/** Our parsing, limits and validation in Yoga's place of its own; and no subscription where its answer cannot be streamed. */
const ours = (documents: Documents): Plugin => ({
  onParse: ({ setParseFn }) =>
    setParseFn((source: string | { readonly body: string }) =>
      documents.parse(typeof source === 'string' ? source : source.body),
    ),
  onValidate: ({ setValidationFn }) => setValidationFn((_, document) => documents.validate(document)),
  // Yoga's own executor answers a query's fields in the order in which they are done; graphql-js keeps that of the document.
  onExecute: ({ setExecuteFn }) => setExecuteFn(execute),
  onSubscribe: ({ setResultAndStopExecution }) =>
    setResultAndStopExecution({ errors: [apiError('BAD_USER_INPUT', NOT_HERE)] }),
});

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
