/**
 * How large a document's execution can get, told from the document alone: each fragment is measured once, so that a document
 * that multiplies itself by fragments costs no more to measure than to read.
 */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';
import { MAX_ALIASES, MAX_DEPTH, MAX_DIRECTIVES, MAX_FIELDS, MAX_ROOT_FIELDS } from './limits.ts';

interface Size {
  readonly depth: number;
  readonly fields: number;
  readonly aliases: number;
  readonly directives: number;
  /** Fields at the top of this selection set. */
  readonly top: number;
}
const NOTHING: Size = { depth: 0, fields: 0, aliases: 0, directives: 0, top: 0 };
/** How deep introspection goes is bounded by a rule of its own (graphql-js, MaxIntrospectionDepthRule). */
const isIntrospection = (name: string): boolean => name === '__schema' || name === '__type';

/** The first limit that the document breaks. */
export function brokenLimit(document: DocumentNode): GraphQLError | undefined {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions)
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  const measured = new Map<string, Size | 'measuring'>();
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION && node.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const size = plus(sizeOf(node.selectionSet, fragments, measured), { directives: node.directives?.length ?? 0 });
    const broken = brokenBy(size, node.kind === Kind.OPERATION_DEFINITION ? node : undefined);
    if (broken) return new GraphQLError(broken, { nodes: [node] });
  }
  return undefined;
}

function brokenBy(size: Size, operation: OperationDefinitionNode | undefined): string | undefined {
  if (size.depth > MAX_DEPTH) return `The document is deeper than ${MAX_DEPTH} fields.`;
  if (size.fields > MAX_FIELDS) return `The document asks for more than ${MAX_FIELDS} fields.`;
  if (size.aliases > MAX_ALIASES) return `The document has more than ${MAX_ALIASES} aliases.`;
  if (size.directives > MAX_DIRECTIVES) return `The document has more than ${MAX_DIRECTIVES} directives.`;
  if (operation && size.top > MAX_ROOT_FIELDS) return `The operation has more than ${MAX_ROOT_FIELDS} root fields.`;
  return undefined;
}

function sizeOf(
  set: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measured: Map<string, Size | 'measuring'>,
): Size {
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
        top: 1,
      });
    } else {
      const inner =
        node.kind === Kind.INLINE_FRAGMENT
          ? sizeOf(node.selectionSet, fragments, measured)
          : fragmentSize(node.name.value, fragments, measured);
      size = plus(plus(size, inner), { directives });
    }
  }
  return size;
}

/** A fragment that spreads itself counts as nothing here: validation refuses it. */
function fragmentSize(
  name: string,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measured: Map<string, Size | 'measuring'>,
): Size {
  const known = measured.get(name);
  if (known) return known === 'measuring' ? NOTHING : known;
  const fragment = fragments.get(name);
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
  top: a.top + (b.top ?? 0),
});
