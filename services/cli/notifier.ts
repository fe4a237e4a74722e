import { roomCommand } from './room.ts';

export const command = roomCommand(
  'notifier',
  'Pushes what stayed undelivered; /metrics is on LANES_ADMIN_PORT + 2.',
  () => import('../notifier/main.ts'),
);
