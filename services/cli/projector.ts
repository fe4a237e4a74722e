import { roomCommand } from './room.ts';

export const command = roomCommand(
  'projector',
  'Writes history from the lanes to MongoDB; /metrics is on LANES_ADMIN_PORT + 1.',
  () => import('../projector/main.ts'),
);
