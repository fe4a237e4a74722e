/** `lanes resume bridge` */
import { resumeBridge } from '../../bridge/resume.ts';
import { ConfigError } from '../config.ts';
import { openIntegrations } from '../journal/integrations-jetstream.ts';
import { openJetStreamJournal } from '../journal/jetstream.ts';
import { openLink } from '../journal/link.ts';
import { giveUp, type With } from './resume.ts';

const CONNECT_MS = 10_000;

export const resuming: With = async (config, log, target, use) => {
  const { nats, natsBridge, partitions, storeBytes: maxBytes } = config;
  if (natsBridge === null) throw new ConfigError('LANES_NATS_BRIDGE_USER is not set: the places are in its account');
  const signal = AbortSignal.timeout(CONNECT_MS);
  const closing: (() => Promise<void>)[] = [];
  const opened = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const one = await opening;
    closing.push(() => one.close());
    return one;
  };
  try {
    const options = { log, name: 'lanes-resume', signal };
    const journal = await opened(openJetStreamJournal({ ...nats, ...options, partitions, maxBytes }));
    const integrations = await opened(openIntegrations({ ...nats, ...options }));
    const link = await opened(openLink({ ...natsBridge, ...options }));
    return await use(async (partition) => {
      const resumed = await resumeBridge({ journal, integrations, link }, partition, target, giveUp());
      if (resumed.length === 0) return undefined;
      return `${resumed.length} integrations go on behind stream sequence ${Math.min(...resumed.map(({ revision }) => revision))}`;
    });
  } catch (error) {
    if (signal.aborted && error === signal.reason)
      throw new ConfigError(`NATS at ${nats.servers.join(', ')} does not answer: is it running? (LANES_NATS_URL)`);
    throw error;
  } finally {
    for (const close of closing.reverse()) await close();
  }
};
