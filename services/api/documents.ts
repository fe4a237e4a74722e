/**
 * Documents read and checked once: parsed, measured, validated, and remembered by their text. Every door uses this, so that
 * the same document is good or bad everywhere.
 */
import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  type ValidationRule,
  validate,
} from 'graphql';
import { brokenLimit } from './document-limits.ts';
import { apiError, withCode } from './errors.ts';
import { MAX_TOKENS, MAX_VALIDATION_ERRORS } from './limits.ts';

export type Prepared =
  | { readonly kind: 'operation'; readonly document: DocumentNode; readonly operation: OperationDefinitionNode }
  | { readonly kind: 'bad'; readonly errors: readonly GraphQLError[] };

/** Documents remembered, and characters of all of them; the longest unused goes first. */
const MAX_REMEMBERED = 2_000;
const MAX_REMEMBERED_CHARS = 4 * 1024 * 1024;

export class Documents {
  readonly #schema: GraphQLSchema;
  readonly #rules: readonly ValidationRule[];
  readonly #introspection: boolean;
  readonly #remembered = new Map<string, DocumentNode>();
  #chars = 0;

  constructor(schema: GraphQLSchema, options: { readonly introspection: boolean }) {
    this.#schema = schema;
    this.#introspection = options.introspection;
    this.#rules = options.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  }

  /** The operation that the request names, in a document that is good. Never throws. */
  prepare(query: string, operationName: string | null | undefined): Prepared {
    const known = this.#recall(query);
    const read = known ? ({ kind: 'document', document: known } as const) : this.#read(query);
    if (read.kind === 'bad') return read;
    if (!known) this.#remember(query, read.document);
    const operation = operationOf(read.document, operationName);
    return operation instanceof GraphQLError
      ? { kind: 'bad', errors: [operation] }
      : { kind: 'operation', document: read.document, operation };
  }

  #read(query: string): { readonly kind: 'document'; readonly document: DocumentNode } | (Prepared & { kind: 'bad' }) {
    let document: DocumentNode;
    try {
      document = this.parse(query);
    } catch (error) {
      return { kind: 'bad', errors: [error as GraphQLError] };
    }
    const errors = this.validate(document);
    return errors.length > 0 ? { kind: 'bad', errors } : { kind: 'document', document };
  }

  /** Throws a GraphQLError with the code GRAPHQL_PARSE_FAILED. */
  parse(query: string): DocumentNode {
    try {
      return parse(query, { maxTokens: MAX_TOKENS });
    } catch (error) {
      throw error instanceof GraphQLError
        ? withCode(error, 'GRAPHQL_PARSE_FAILED')
        : apiError('GRAPHQL_PARSE_FAILED', 'The document cannot be read.');
    }
  }

  validate(document: DocumentNode): readonly GraphQLError[] {
    const broken = brokenLimit(document);
    const errors = broken
      ? [broken]
      : validate(this.#schema, document, this.#rules, { maxErrors: MAX_VALIDATION_ERRORS });
    return errors.map((error) => withCode(this.#introspection ? error : discreet(error), 'GRAPHQL_VALIDATION_FAILED'));
  }

  #recall(query: string): DocumentNode | undefined {
    const document = this.#remembered.get(query);
    if (!document) return undefined;
    this.#remembered.delete(query);
    this.#remembered.set(query, document);
    return document;
  }

  #remember(query: string, document: DocumentNode): void {
    this.#remembered.set(query, document);
    this.#chars += query.length;
    for (const longestUnused of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED && this.#chars <= MAX_REMEMBERED_CHARS) return;
      this.#remembered.delete(longestUnused);
      this.#chars -= longestUnused.length;
    }
  }
}

function operationOf(document: DocumentNode, name: string | null | undefined): OperationDefinitionNode | GraphQLError {
  let found: OperationDefinitionNode | undefined;
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    if (name !== null && name !== undefined && name !== '') {
      if (node.name?.value === name) return node;
    } else if (found) return apiError('BAD_USER_INPUT', 'operationName: which one of the operations in the document');
    else found = node;
  }
  if (found) return found;
  return name
    ? apiError('BAD_USER_INPUT', 'operationName: the document has no operation of this name')
    : apiError('BAD_USER_INPUT', 'query: a document with an operation');
}

/** Where the schema is not shown, its names are not suggested either. */
const discreet = (error: GraphQLError): GraphQLError =>
  new GraphQLError(error.message.replace(/ Did you mean [^?]*\?/g, ''), { nodes: error.nodes ?? null });
