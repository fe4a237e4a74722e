/**
 * How large a document's execution can get, told from the document alone: each fragment is measured once, so that a document
 * that multiplies itself by fragments costs no more to measure than to read.
 */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import {
  MAX_ALIASES,
  MAX_DEFINITIONS,
  MAX_DEPTH,
  MAX_DIRECTIVES,
  MAX_FIELDS,
  MAX_REPEATED,
  MAX_ROOT_FIELDS,
  MAX_SPREADS,
} from './limits.ts';

interface Size {
  readonly depth: number;
  readonly fields: number;
  readonly aliases: number;
  readonly directives: number;
  readonly spreads: number;
  /** Fields at the top of this selection set. */
  readonly top: number;
}
const NOTHING: Size = { depth: 0, fields: 0, aliases: 0, directives: 0, spreads: 0, top: 0 };
/** Undefined: the document has no such fragment. */
type Fragments = (name: string) => FragmentDefinitionNode | undefined;
/** How deep introspection goes is bounded by a rule of its own (graphql-js, MaxIntrospectionDepthRule). */
const isIntrospection = (name: string): boolean => name === '__schema' || name === '__type';

/** The first limit that the document breaks. */
export function brokenLimit(document: DocumentNode): GraphQLError | undefined {
  if (document.definitions.length > MAX_DEFINITIONS)
    return new GraphQLError(`The document has more than ${MAX_DEFINITIONS} operations and fragments.`);
  const named = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) if (node.kind === Kind.FRAGMENT_DEFINITION) named.set(node.name.value, node);
  const fragments: Fragments = (name) => named.get(name);
  const measured = new Map<string, Size | 'measuring'>();
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION && node.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const size = plus(sizeOf(node.selectionSet, fragments, measured), { directives: node.directives?.length ?? 0 });
    const broken =
      brokenBy(size, node.kind === Kind.OPERATION_DEFINITION ? node : undefined) ??
      repeatsBroken(node.selectionSet, fragments);
    if (broken) return new GraphQLError(broken, { nodes: [node] });
  }
  return undefined;
}

/** The fields that are executed for each row of a list, its own nested rows counted once. */
export function fieldsIn(
  nodes: readonly FieldNode[],
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
): number {
  const measured = new Map<string, Size | 'measuring'>();
  let fields = 0;
  for (const { selectionSet } of nodes)
    if (selectionSet) fields += sizeOf(selectionSet, (name) => fragments[name], measured).fields;
  return fields;
}

/** Whether one of these fields is selected of what `nodes` give. */
export function selects(
  nodes: readonly FieldNode[],
  fragments: Readonly<Record<string, FragmentDefinitionNode>>,
  names: ReadonlySet<string>,
): boolean {
  const isIn = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some((node) => {
      if (node.kind === Kind.FIELD) return names.has(node.name.value);
      if (node.kind === Kind.INLINE_FRAGMENT) return isIn(node.selectionSet);
      return isIn(fragments[node.name.value]?.selectionSet);
    }) ?? false;
  return nodes.some(({ selectionSet }) => isIn(selectionSet));
}

function brokenBy(size: Size, operation: OperationDefinitionNode | undefined): string | undefined {
  if (size.depth > MAX_DEPTH) return `The document is deeper than ${MAX_DEPTH} fields.`;
  if (size.fields > MAX_FIELDS) return `The document asks for more than ${MAX_FIELDS} fields.`;
  if (size.aliases > MAX_ALIASES) return `The document has more than ${MAX_ALIASES} aliases.`;
  if (size.directives > MAX_DIRECTIVES) return `The document has more than ${MAX_DIRECTIVES} directives.`;
  if (size.spreads > MAX_SPREADS) return `The document spreads more than ${MAX_SPREADS} fragments.`;
  if (operation && size.top > MAX_ROOT_FIELDS) return `The operation has more than ${MAX_ROOT_FIELDS} root fields.`;
  return undefined;
}

/** Within the limits above, so that it costs no more than they allow. */
function repeatsBroken(set: SelectionSetNode, fragments: Fragments): string | undefined {
  let repeated = 0;
  // A fragment that spreads itself goes on for ever here, and is refused by this or by validation.
  let left = MAX_FIELDS;
  const count = (sets: readonly SelectionSetNode[]): void => {
    const byKey = new Map<string, SelectionSetNode[]>();
    const spread = new Set<string>();
    const collect = ({ selections }: SelectionSetNode): void => {
      for (const node of selections) {
        if (node.kind === Kind.FIELD) {
          const key = (node.alias ?? node.name).value;
          const others = byKey.get(key);
          if (others) repeated++;
          const same = others ?? [];
          if (node.selectionSet) same.push(node.selectionSet);
          byKey.set(key, same);
          left--;
        } else if (node.kind === Kind.INLINE_FRAGMENT) collect(node.selectionSet);
        else if (!spread.has(node.name.value)) {
          spread.add(node.name.value);
          const fragment = fragments(node.name.value);
          if (fragment) collect(fragment.selectionSet);
        }
      }
    };
    for (const one of sets) collect(one);
    for (const inner of byKey.values()) if (inner.length > 0 && left >= 0 && repeated <= MAX_REPEATED) count(inner);
  };
  count([set]);
  if (repeated > MAX_REPEATED) return `The document repeats more than ${MAX_REPEATED} fields.`;
  return undefined;
}

function sizeOf(set: SelectionSetNode, fragments: Fragments, measured: Map<string, Size | 'measuring'>): Size {
  let size = NOTHING;
  for (const node of set.selections) {
    const directives = node.directives?.length ?? 0;
    if (node.kind === Kind.FIELD) {
      const inner = node.selectionSet ? sizeOf(node.selectionSet, fragments, measured) : NOTHING;
      size = plus(size, {
        depth: isIntrospection(node.name.value) ? 1 : inner.depth + 1,
        fields: inner.fields + 1,
        aliases: inner.aliases + (node.alias ? 1 : 0),
        directives: inner.directives + directives,
        spreads: inner.spreads,
        top: 1,
      });
    } else {
      const inner =
        node.kind === Kind.INLINE_FRAGMENT
          ? sizeOf(node.selectionSet, fragments, measured)
          : fragmentSize(node.name.value, fragments, measured);
      const spreads = node.kind === Kind.FRAGMENT_SPREAD ? 1 : 0;
      size = plus(plus(size, inner), { directives, spreads });
    }
  }
  return size;
}

/** A fragment that spreads itself counts as nothing here: validation refuses it. */
function fragmentSize(name: string, fragments: Fragments, measured: Map<string, Size | 'measuring'>): Size {
  const known = measured.get(name);
  if (known) return known === 'measuring' ? NOTHING : known;
  const fragment = fragments(name);
  if (!fragment) return NOTHING;
  measured.set(name, 'measuring');
  const size = sizeOf(fragment.selectionSet, fragments, measured);
  measured.set(name, size);
  return size;
}

const plus = (a: Size, b: Partial<Size>): Size => ({
  depth: Math.max(a.depth, b.depth ?? 0),
  fields: a.fields + (b.fields ?? 0),
  aliases: a.aliases + (b.aliases ?? 0),
  directives: a.directives + (b.directives ?? 0),
  spreads: a.spreads + (b.spreads ?? 0),
  top: a.top + (b.top ?? 0),
});
