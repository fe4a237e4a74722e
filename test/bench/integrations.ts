/** Integrations on a rig: made, with what they come in with. */
import { pino } from 'pino';
import { type Credentials, credentialsOf, newIntegration, newSecret } from '../../bridge/credentials.ts';
import { type AppId, parseAppId } from '../../schema/ids.ts';
import { openIntegrations } from '../../services/journal/integrations-jetstream.ts';
import { openJetStreamJournal } from '../../services/journal/jetstream.ts';
import { PARTITIONS, type Rig } from './rig.ts';
import { type Room, startRoom } from './room.ts';

export const startBridge = (rig: Rig, nodeArgs?: readonly string[]): Promise<Room> =>
  startRoom(rig.roomOptions('bridge', nodeArgs));

export async function enrol(rig: Rig, names: readonly string[]): Promise<readonly Credentials[]> {
  const { nats, natsPublic, storeBytes: maxBytes } = rig.servers.config({ LANES_PARTITIONS: String(PARTITIONS) });
  const link = { ...nats, name: 'bench', log: pino({ level: 'silent' }) };
  // Makes the streams, the registry's among them.
  await (await openJetStreamJournal({ ...link, partitions: PARTITIONS, maxBytes })).close();
  const registry = await openIntegrations(link);
  try {
    const all: Credentials[] = [];
    for (const name of names) {
      const [app, secret] = [parseAppId(name) as AppId, newSecret()];
      await registry.put(newIntegration(app, 'member', secret, Date.now()));
      all.push(credentialsOf(app, secret, natsPublic));
    }
    return all;
  } finally {
    await registry.close();
  }
}
