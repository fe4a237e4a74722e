/** Names and pictures as users' tokens last said them. Not made from lanes, so in no generation. */
import type { Db } from 'mongodb';
import type { UserId } from '../../schema/ids.ts';
import { peopleOf } from './views.ts';

export interface Person {
  readonly name?: string;
  readonly avatarUrl?: string;
}

/** Only those that are known. */
export async function readPeople(db: Db, ids: readonly UserId[]): Promise<ReadonlyMap<UserId, Person>> {
  if (ids.length === 0) return new Map();
  const found = await peopleOf(db)
    .find({ _id: { $in: [...ids] } })
    .toArray();
  return new Map(found.map(({ _id, ...person }) => [_id, person]));
}

/** The last one wins; what is absent is forgotten. */
export async function writePeople(db: Db, people: readonly (Person & { readonly id: UserId })[]): Promise<void> {
  if (people.length === 0) return;
  await peopleOf(db).bulkWrite(
    people.map(({ id, name, avatarUrl }) => ({
      replaceOne: {
        filter: { _id: id },
        replacement: { ...(name === undefined ? {} : { name }), ...(avatarUrl === undefined ? {} : { avatarUrl }) },
        upsert: true,
      },
    })),
    { ordered: false },
  );
}
