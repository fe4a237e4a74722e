/** The journal's contract over both adapters, and what only a real server can do to one. */
import { connect as connectNats } from 'nats';
import { pino } from 'pino';
import { laneSubject, partitionOf } from '../schema/subjects.ts';
import { openJetStreamJournal } from '../services/journal/jetstream.ts';
import { MemoryJournal } from '../services/journal/memory.ts';
import { journalContract } from './journal.contract.ts';
import { startServers } from './support/servers.ts';

const log = pino({ level: 'silent' });

journalContract('memory', async () => {
  const journal = new MemoryJournal({ partitions: 2 });
  return {
    journal,
    other: journal,
    put: async (lane, payload) => void journal.put(lane, payload),
    stop: () => journal.close(),
  };
});

journalContract('JetStream', async () => {
  const servers = await startServers({ mongo: false });
  const { nats } = servers.config();
  const open = () => openJetStreamJournal({ ...nats, name: 'test', log, partitions: 2, maxBytes: 1024 ** 3 });
  const [journal, other] = await Promise.all([open(), open()]);
  const raw = await connectNats({ servers: [...nats.servers], user: nats.user ?? '', pass: nats.password ?? '' });
  return {
    journal,
    other,
    put: async (lane, payload) => {
      await raw.request(laneSubject(partitionOf(lane, 2), lane), payload);
    },
    stop: async () => {
      await Promise.all([journal.close(), other.close(), raw.close()]);
      await servers.stop();
    },
  };
});
