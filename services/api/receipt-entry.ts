/** How far one member is, as the followers of its lane are to be told. Pure. */
import type { UserId } from '../../schema/ids.ts';
import type { Loaded } from '../journal/lanes.ts';
import type { Mine } from '../views/receipts.ts';
import { readSeqOf } from '../views/unread.ts';
import type { ReceiptFrame } from './sources.ts';

export interface Entry extends Mine {
  /** It is not shown to others what this user has read. Undefined: whether it may be is not known yet, so it is not. */
  readonly hides: boolean | undefined;
  /** The version at which it moved last, and at which that could be seen by others. */
  readonly moved: number;
  readonly shown: number;
}

/** Undefined: it raises nothing. */
export function raisedBy(had: Mine | undefined, mine: Mine): Mine | undefined {
  const read = Math.max(had?.read ?? 0, mine.read);
  const delivered = Math.max(had?.delivered ?? 0, mine.delivered, read);
  return delivered > (had?.delivered ?? 0) || read > (had?.read ?? 0) ? { delivered, read } : undefined;
}

/** `hidden`: the user's setting, where it could be read. Undefined: nothing is another than before. */
export function entryAfter(
  had: Entry | undefined,
  mine: Mine | undefined,
  hidden: boolean | undefined,
  version: number,
): Entry | undefined {
  const raised = mine && raisedBy(had, mine);
  const hides = hidden ?? had?.hides;
  const { delivered, read } = raised ?? had ?? {};
  if (delivered === undefined || read === undefined || (!raised && hides === had?.hides)) return undefined;
  const isNowShown = had?.hides === undefined && hides === false;
  // Of a hidden mark nobody else is to learn even that it moved.
  const isSeen = !had || isNowShown || delivered > had.delivered || (hides === false && read > had.read);
  return {
    delivered,
    read,
    hides,
    moved: raised ? version : (had?.moved ?? version),
    shown: isSeen ? version : had.shown,
  };
}

export function receiptFrameOf(
  loaded: Loaded,
  user: UserId,
  entry: Entry,
  may: { readonly read: boolean; readonly unread: number | null },
): ReceiptFrame {
  const readSeq = readSeqOf(loaded, user, entry);
  return {
    __typename: 'ReceiptMoved',
    lane: loaded.lane.id,
    seq: 0,
    user,
    delivered: Math.max(entry.delivered, readSeq),
    read: may.read ? readSeq : null,
    unread: may.unread,
  };
}
