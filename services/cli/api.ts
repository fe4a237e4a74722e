import { roomCommand } from './room.ts';

export const command = roomCommand(
  'api',
  'Serves GraphQL (HTTP, WebSocket, SSE, GraphiQL) on LANES_PORT and /metrics on LANES_ADMIN_PORT.',
  () => import('../api/main.ts'),
);
