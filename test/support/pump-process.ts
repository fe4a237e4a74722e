/** A pump in a process of its own, to be killed. */

import { readSettings } from '../../services/config.ts';
import { openConfig } from '../../services/embedded/data-dir.ts';
import { createLogger } from '../../services/logger.ts';
import { openPumping } from './bridging.ts';

const config = openConfig(readSettings());
await openPumping(config, createLogger(config, 'pump', 2));
process.send?.('ready');
