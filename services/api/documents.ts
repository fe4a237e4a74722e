/**
 * Documents read and checked once: parsed, measured, validated, and remembered by their text when it has come twice. Every door
 * uses this, so that the same document is good or bad everywhere. One that is remembered costs its sender nothing; any other is
 * charged to the user who sends it.
 */
import { hash } from 'node:crypto';
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
  visit,
} from 'graphql';
import type { UserId } from '../../schema/ids.ts';
import type { Buckets } from '../buckets.ts';
import { tooMany } from './admission.ts';
import { brokenLimit } from './document-limits.ts';
import { apiError, withCode } from './errors.ts';
import { MAX_TOKENS, MAX_VALIDATION_ERRORS } from './limits.ts';

export type Prepared =
  | { readonly kind: 'operation'; readonly document: DocumentNode; readonly operation: OperationDefinitionNode }
  | { readonly kind: 'bad'; readonly errors: readonly GraphQLError[] };

type Read = { readonly kind: 'document'; readonly document: DocumentNode } | (Prepared & { readonly kind: 'bad' });

/** Documents remembered, and the weight of all of them: about 32 MB. The longest unused goes first. */
const MAX_REMEMBERED = 2_000;
const MAX_REMEMBERED_WEIGHT = 200_000;
/** Documents that came once, of which only a hash is kept; the oldest goes first. */
const MAX_SEEN = 10_000;
/** A unit of weight is a token or a node: 130 to 170 bytes each (measured), to which the text adds what it takes itself. */
const CHARS_PER_UNIT = 80;
/** What a text is charged that is no document. */
const UNREADABLE_WEIGHT = MAX_TOKENS / 4;

export interface DocumentsOptions {
  readonly introspection: boolean;
  /** What each user may have read and checked: units of weight. */
  readonly work: Pick<Buckets, 'charge' | 'wait'>;
  readonly limits?: { readonly weight?: number; readonly seen?: number };
}

export class Documents {
  readonly #schema: GraphQLSchema;
  readonly #rules: readonly ValidationRule[];
  readonly #introspection: boolean;
  readonly #work: DocumentsOptions['work'];
  readonly #maxWeight: number;
  readonly #maxSeen: number;
  readonly #remembered = new Map<string, DocumentNode>();
  readonly #seen = new Set<string>();
  readonly #weights = new WeakMap<DocumentNode, number>();
  #weight = 0;

  constructor(schema: GraphQLSchema, options: DocumentsOptions) {
    this.#schema = schema;
    this.#introspection = options.introspection;
    this.#work = options.work;
    this.#maxWeight = options.limits?.weight ?? MAX_REMEMBERED_WEIGHT;
    this.#maxSeen = options.limits?.seen ?? MAX_SEEN;
    this.#rules = options.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
  }

  /** Documents that are remembered, their weight, and how many have come once. */
  get held(): { readonly documents: number; readonly weight: number; readonly seen: number } {
    return { documents: this.#remembered.size, weight: this.#weight, seen: this.#seen.size };
  }

  /** Of a document that `prepare` gave. */
  weightOf(document: DocumentNode): number {
    return this.#weights.get(document) ?? 0;
  }

  /** The operation that the request names, in a document that is good; RATE_LIMITED where the user has none left to be read. Never throws. */
  prepare(query: string, operationName: string | null | undefined, user: UserId): Prepared {
    const known = this.#recall(query);
    const read = known ? ({ kind: 'document', document: known } as const) : this.#readFor(user, query);
    if (read.kind === 'bad') return read;
    if (!known) this.#remember(query, read.document);
    const operation = operationOf(read.document, operationName);
    return operation instanceof GraphQLError
      ? { kind: 'bad', errors: [operation] }
      : { kind: 'operation', document: read.document, operation };
  }

  #readFor(user: UserId, query: string): Read {
    const wait = this.#work.wait(user);
    if (wait > 0)
      return { kind: 'bad', errors: [tooMany('You send more new documents than your budget allows.', wait)] };
    let document: DocumentNode;
    try {
      document = this.#parse(query);
    } catch (error) {
      this.#work.charge(user, UNREADABLE_WEIGHT + query.length / CHARS_PER_UNIT);
      return { kind: 'bad', errors: [error as GraphQLError] };
    }
    const weight = weightOf(document, query);
    this.#work.charge(user, weight);
    const errors = this.#validate(document);
    if (errors.length > 0) return { kind: 'bad', errors };
    this.#weights.set(document, weight);
    return { kind: 'document', document };
  }

  /** Throws a GraphQLError with the code GRAPHQL_PARSE_FAILED. */
  #parse(query: string): DocumentNode {
    try {
      return parse(query, { maxTokens: MAX_TOKENS });
    } catch (error) {
      throw error instanceof GraphQLError
        ? withCode(error, 'GRAPHQL_PARSE_FAILED')
        : apiError('GRAPHQL_PARSE_FAILED', 'The document cannot be read.');
    }
  }

  #validate(document: DocumentNode): readonly GraphQLError[] {
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

  /** Only what comes a second time is worth its memory. */
  #remember(query: string, document: DocumentNode): void {
    const name = hash('sha256', query, 'base64url');
    if (!this.#seen.delete(name)) {
      this.#seen.add(name);
      const [oldest] = this.#seen;
      if (this.#seen.size > this.#maxSeen && oldest !== undefined) this.#seen.delete(oldest);
      return;
    }
    this.#remembered.set(query, document);
    this.#weight += this.weightOf(document);
    for (const [longestUnused, unused] of this.#remembered) {
      if (this.#remembered.size <= MAX_REMEMBERED && this.#weight <= this.#maxWeight) return;
      this.#remembered.delete(longestUnused);
      this.#weight -= this.weightOf(unused);
    }
  }
}

function weightOf(document: DocumentNode, query: string): number {
  let nodes = 0;
  visit(document, {
    enter: () => {
      nodes++;
    },
  });
  return Math.ceil((document.tokenCount ?? 0) + nodes + query.length / CHARS_PER_UNIT);
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
