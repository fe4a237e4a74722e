/** The api in a process of its own, to be looked at from inside: it says what its heap holds after a collection. */
import { start } from '../../services/api/main.ts';
import { readSettings } from '../../services/config.ts';
import { openConfig } from '../../services/embedded/data-dir.ts';
import { createLogger } from '../../services/logger.ts';

const config = openConfig(readSettings());
const { port, adminPort } = await start(config, createLogger({ logLevel: 'error' }, 'api', 2));
process.on('message', () => {
  globalThis.gc?.();
  process.send?.({ heap: process.memoryUsage().heapUsed });
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.send?.({ port, adminPort });
