/** What sends webhooks, in a process of its own, to be killed. */
import { readSettings } from '../../services/config.ts';
import { openConfig } from '../../services/embedded/data-dir.ts';
import { createLogger } from '../../services/logger.ts';
import { openSending, type SendingOptions } from './sending.ts';

const config = openConfig(readSettings());
await openSending(config, createLogger(config, 'webhooks', 2), JSON.parse(process.argv[2] ?? '{}') as SendingOptions);
