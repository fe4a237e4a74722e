/**
 * One subscription's document, and its execution for one frame. What comes out depends on the document, the variables that
 * its selection uses, and the reader's rights, on nothing else of the reader: so all for whom these are the same share it.
 */
import { createHash } from 'node:crypto';
import {
  type DocumentNode,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  getArgumentValues,
  getOperationAST,
  getVariableValues,
  isObjectType,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { ID_RULE, type LaneId, type Millis, parseLaneId, parseSeq, type UserId } from '../../schema/ids.ts';
import type { Buckets } from '../buckets.ts';
import type { Logger } from '../logger.ts';
import { answerContext, chargedContext } from './context.ts';
import { apiError, badInput, publicError } from './errors.ts';
import { MAX_STREAM_VARIABLES } from './limits.ts';
import { rootFieldOf } from './root-field.ts';
import type { Part } from './sink.ts';
import { positionOf, type Source } from './sources.ts';

const CONVERSATION = 'conversation';
/** A longer name of an operation is replaced by its hash. */
const KEY_MAX = 256;
/** Members of an event. */
const LONG_LIST = 20;

/** What may be executed once for many readers. Two with the same key give the same payload for the same frame. */
export interface Operation {
  readonly key: string;
  readonly document: DocumentNode;
  readonly operationName: string | undefined;
  readonly variables: Record<string, unknown>;
}

export interface Asked {
  readonly operation: Operation;
  readonly lane: LaneId;
  /** Null: only what comes. */
  readonly after: number | null;
}
export type Parsed =
  | { readonly kind: 'asked'; readonly asked: Asked }
  | { readonly kind: 'bad'; readonly error: GraphQLError };

/** A document as it was read, before its arguments are looked at. */
export type ReadOperation =
  | { readonly kind: 'read'; readonly operation: Operation; readonly args: Readonly<Record<string, unknown>> }
  | { readonly kind: 'bad'; readonly error: GraphQLError };
export interface GivenOperation {
  readonly document: DocumentNode;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
  readonly admin: boolean;
}

export interface FramesOptions {
  readonly schema: GraphQLSchema;
  /** What each user may have made, of frames with long lists. Absent: as much as it likes. */
  readonly work?: Pick<Buckets, 'charge' | 'wait'>;
  readonly log: Logger;
}

interface DocumentFacts {
  readonly number: number;
  /** Names of the variables that a frame's selection can depend on, sorted. */
  readonly used: readonly string[];
}

export class Frames {
  readonly #options: FramesOptions;
  /** The subscription's root field, and the property of the root value that its default resolver reads. */
  readonly #root: string;
  readonly #rootField: GraphQLField<unknown, unknown>;
  readonly #facts = new WeakMap<DocumentNode, DocumentFacts>();
  #documents = 0;

  /** Throws if the schema has no such subscription. */
  constructor(options: FramesOptions, root = CONVERSATION) {
    this.#options = options;
    this.#root = root;
    const field = options.schema.getSubscriptionType()?.getFields()[root];
    if (!field) throw new Error(`the schema has no subscription "${root}"`);
    this.#rootField = field;
  }

  /** An event of a type that this version cannot show has its place in the order, and no frame. */
  shows(type: string): boolean {
    return isObjectType(this.#options.schema.getType(type));
  }

  /** Reads a validated document whose operation is this subscription. Documents are told apart by identity: memoise them. */
  read({ document, operationName: name, variables: given, admin }: GivenOperation): ReadOperation {
    const { schema } = this.#options;
    const definition = getOperationAST(document, name);
    if (!definition) return { kind: 'bad', error: apiError('BAD_USER_INPUT', 'Unable to identify the operation.') };
    const variables = declaredOf(definition, given ?? {});
    const values = getVariableValues(schema, definition.variableDefinitions ?? [], variables, { maxErrors: 10 });
    if (!values.coerced) return { kind: 'bad', error: apiError('BAD_USER_INPUT', values.errors[0]?.message ?? '') };
    if (JSON.stringify(variables).length > MAX_STREAM_VARIABLES)
      return { kind: 'bad', error: badInput('variables', `at most ${MAX_STREAM_VARIABLES} characters as JSON`) };
    const field = rootFieldOf(document, definition, values.coerced);
    if (field?.name.value !== this.#root)
      return { kind: 'bad', error: apiError('BAD_USER_INPUT', 'The subscription selects nothing.') };
    try {
      const args = getArgumentValues(this.#rootField, field, values.coerced);
      const operationName = name ?? undefined;
      const key = this.#keyOf(document, operationName, values.coerced, admin);
      return { kind: 'read', operation: { key, document, operationName, variables }, args };
    } catch (error) {
      return { kind: 'bad', error: publicError(error, this.#options.log) };
    }
  }

  /** As `read`, of `Subscription.conversation`. */
  parse(given: GivenOperation): Parsed {
    const read = this.read(given);
    if (read.kind === 'bad') return read;
    const { id, after: from } = read.args;
    const lane = parseLaneId(id);
    if (!lane) return { kind: 'bad', error: badInput('id', ID_RULE) };
    const after = from == null ? null : parseSeq(from);
    if (after === undefined) return { kind: 'bad', error: badInput('after', 'a position is 0 or more') };
    return { kind: 'asked', asked: { operation: read.operation, lane, after } };
  }

  /** How long it is before this frame may be made for this user. 0 for most: only long lists are charged. */
  wait(source: Source, user: UserId): Millis {
    return isLong(source) ? this.debt(user) : 0;
  }

  /** As `wait`, of a frame with a long list. */
  debt(user: UserId): Millis {
    return this.#options.work?.wait(user) ?? 0;
  }

  /**
   * The answer for one frame. At once where every resolver answers at once; else a promise that is never rejected. `payer`: for
   * whom it is made first, after its `wait`.
   */
  execute(operation: Operation, source: Source, payer?: UserId): Part | Promise<Part> {
    const { schema, work } = this.#options;
    const { document, operationName, variables: variableValues } = operation;
    let result: ExecutionResult | PromiseLike<ExecutionResult>;
    try {
      const rootValue = { [this.#root]: source };
      const contextValue = payer && work && isLong(source) ? chargedContext(payer, work) : answerContext();
      result = execute({ schema, document, operationName, variableValues, rootValue, contextValue });
    } catch (error) {
      return this.#fault(error, source);
    }
    if (!('then' in result)) return this.#partOf(result, source);
    return Promise.resolve(result).then(
      (settled) => this.#partOf(settled, source),
      (error: unknown) => this.#fault(error, source),
    );
  }

  #partOf(result: ExecutionResult, source: Source): Part {
    const { errors } = result;
    const answer = errors
      ? { ...result, errors: errors.map((error) => publicError(error, this.#options.log)) }
      : result;
    return { utf8: Buffer.from(JSON.stringify(answer)), seq: this.#positionAfter(source) };
  }

  #fault(error: unknown, source: Source): Part {
    const errors = [publicError(error, this.#options.log)];
    return { utf8: Buffer.from(JSON.stringify({ errors })), seq: this.#positionAfter(source) };
  }

  /** Only a conversation's readers have a position that is a seq, only an inbox's one that is a cursor. */
  #positionAfter(source: Source): number | string | undefined {
    return this.#root === CONVERSATION ? positionOf(source) : source.cursor;
  }

  #keyOf(document: DocumentNode, name: string | undefined, values: Record<string, unknown>, admin: boolean): string {
    const { number, used } = this.#factsOf(document);
    const told = JSON.stringify(used.map((variable) => (variable in values ? [values[variable]] : 0)));
    const key = `${number} ${admin ? 'admin' : 'member'} ${name ?? ''} ${told}`;
    return key.length <= KEY_MAX ? key : createHash('sha256').update(key).digest('base64');
  }

  #factsOf(document: DocumentNode): DocumentFacts {
    const known = this.#facts.get(document);
    if (known) return known;
    const facts = { number: ++this.#documents, used: [...usedVariables(this.#options.schema, document)].sort() };
    this.#facts.set(document, facts);
    return facts;
  }
}

/** An event whose list has no pages, and is longer than the lists of most. */
const isLong = (source: Source): boolean =>
  'event' in source &&
  typeof source.event === 'object' &&
  source.event !== null &&
  'members' in source.event &&
  Array.isArray(source.event.members) &&
  source.event.members.length > LONG_LIST;

/** Only what the operation declares: what else was sent is not held. */
function declaredOf(operation: OperationDefinitionNode, given: Record<string, unknown>): Record<string, unknown> {
  const names = (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value);
  return Object.fromEntries(names.filter((name) => Object.hasOwn(given, name)).map((name) => [name, given[name]]));
}

/**
 * All variables in the document but those that only stand in arguments of the root field, which say which lane and from where:
 * a frame looks the same to those who came from different positions.
 */
function usedVariables(schema: GraphQLSchema, document: DocumentNode): Set<string> {
  const used = new Set<string>();
  const types = new TypeInfo(schema);
  visit(
    document,
    visitWithTypeInfo(types, {
      VariableDefinition: () => false,
      Argument: () =>
        !types.getDirective() && types.getParentType() === schema.getSubscriptionType() ? false : undefined,
      Variable: ({ name }) => {
        used.add(name.value);
      },
    }),
  );
  return used;
}
