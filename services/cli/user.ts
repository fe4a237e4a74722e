/** `lanes user …`: what an operator does about a user. */
import { groupOf } from './command.ts';

export const command = groupOf('user', 'Users, as their tokens name them.', {
  revoke: { summary: 'refuses the tokens that a user has', load: () => import('./user-revoke.ts') },
});
