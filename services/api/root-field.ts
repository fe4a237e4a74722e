/** The one root field of a subscription's document: which stream is meant, and with which arguments. */
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  getDirectiveValues,
  getOperationAST,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** Undefined where `@skip` or `@include` leave none. Validation saw to it that there are not two. */
export const rootFieldOf = (
  document: DocumentNode,
  operation: OperationDefinitionNode,
  values: Record<string, unknown>,
): FieldNode | undefined => firstField(document, operation.selectionSet, (selection) => isIncluded(selection, values));

/** The name of the root field, whether or not it is skipped. Undefined: the document has no such operation. */
export function rootNameOf(document: DocumentNode, operationName: string | null | undefined): string | undefined {
  const operation = getOperationAST(document, operationName);
  return operation ? firstField(document, operation.selectionSet, () => true)?.name.value : undefined;
}

function firstField(
  document: DocumentNode,
  selections: SelectionSetNode,
  counts: (selection: SelectionNode) => boolean,
): FieldNode | undefined {
  const fragments = new Map(
    document.definitions
      .filter((definition): definition is FragmentDefinitionNode => definition.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  const find = (set: SelectionSetNode | undefined): FieldNode | undefined => {
    for (const selection of set?.selections ?? []) {
      if (!counts(selection)) continue;
      if (selection.kind === Kind.FIELD) return selection;
      const inside =
        selection.kind === Kind.INLINE_FRAGMENT
          ? find(selection.selectionSet)
          : find(fragments.get(selection.name.value)?.selectionSet);
      if (inside) return inside;
    }
    return undefined;
  };
  return find(selections);
}

function isIncluded(selection: SelectionNode, values: Record<string, unknown>): boolean {
  const { if: skipped = false } = getDirectiveValues(GraphQLSkipDirective, selection, values) ?? {};
  const { if: included = true } = getDirectiveValues(GraphQLIncludeDirective, selection, values) ?? {};
  return !skipped && included === true;
}
