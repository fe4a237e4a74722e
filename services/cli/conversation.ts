import { ID_RULE, type LaneId, parseLaneId } from '../../schema/ids.ts';
import { type Given, UsageError } from './command.ts';

/** The lane that `--conversation` names, if it was given. */
export function conversationOf({ text }: Given): { readonly conversation?: LaneId } {
  const id = text('conversation');
  if (id === undefined) return {};
  const conversation = parseLaneId(id);
  if (conversation === undefined) throw new UsageError(`a conversation's id is ${ID_RULE}`);
  return { conversation };
}
