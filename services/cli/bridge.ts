import { roomCommand } from './room.ts';

export const command = roomCommand(
  'bridge',
  'Gives third parties the lanes over NATS, MQTT and webhooks; /metrics is on LANES_ADMIN_PORT + 3.',
  () => import('../../bridge/main.ts'),
);
