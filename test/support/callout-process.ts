/** The doors for integrations as a process of its own, to be killed; says when it is open. */
import { openCallout } from '../../bridge/callout.ts';
import { readSettings } from '../../services/config.ts';
import { openConfig } from '../../services/embedded/data-dir.ts';
import { openIntegrations } from '../../services/journal/integrations-jetstream.ts';
import { createLogger } from '../../services/logger.ts';

const config = openConfig(readSettings());
const log = createLogger(config, 'callout', 2);
const registry = await openIntegrations({ ...config.nats, log, name: 'callout-process' });
await openCallout({ config, registry, log });
process.send?.('open');
