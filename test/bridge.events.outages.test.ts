/** What integrations are sent when something is killed, full, deleted, slow, or done by two at once. */
import { connect } from 'nats';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resumeBridge } from '../bridge/resume.ts';
import { revisionOf } from '../schema/ids.ts';
import { appEvent, appStream, laneStream } from '../schema/subjects.ts';
import type { NatsAddress } from '../services/config.ts';
import type { StoredRecord } from '../services/journal/journal.ts';
import { openLink } from '../services/journal/link.ts';
import { app, type Bridging, type Got, Reader, range, startBridging } from './support/bridging.ts';
import { silent } from './support/projecting.ts';
import { laneId, until } from './support/scribe.ts';

const LANES = ['o1', 'o2', 'o3', 'o4'].map(laneId);

describe('events for integrations, when something goes wrong', () => {
  let bridging: Bridging;
  let done: boolean;

  beforeEach(async () => {
    bridging = await startBridging();
    done = false;
  });
  afterEach(() => bridging?.stop());

  /** Writes into all lanes until `done`, in records of 1 to 4 events. */
  const load = async (): Promise<void> => {
    const { scribe } = bridging;
    await Promise.all(
      LANES.map(async (lane, i) => {
        for (let n = 0; !done; n++) {
          const events = ((n + i) % 4) + 1;
          await scribe.say(lane, events, events).catch(() => undefined);
        }
      }),
    );
  };
  const opened = async (...names: string[]): Promise<Reader[]> => {
    const members = names.map((name) => `app_${name}`);
    const readers = [];
    for (const name of names) readers.push(new Reader(await bridging.enter(await bridging.add(name)), name));
    for (const lane of LANES) await bridging.scribe.create(lane, ...members);
    return readers;
  };
  const stored = async (name: string): Promise<number> =>
    bridging.manager.streams.info(appStream(app(name))).then(
      ({ state }) => state.messages,
      () => 0,
    );
  /** Everything that was written, in order, and in the stream itself nothing twice. */
  const expectWhole = async (reader: Reader, name: string): Promise<void> => {
    const { scribe, manager } = bridging;
    await reader.read((got) =>
      LANES.every((lane) => got.some((one) => one.conversationId === lane && one.seq === scribe.events(lane).length)),
    );
    for (const lane of LANES) {
      expect(reader.seqs(lane)).toEqual(range(1, scribe.events(lane).length));
      const { state } = await manager.streams.info(appStream(app(name)), {
        subjects_filter: appEvent(app(name), lane),
      });
      expect(Object.values(state.subjects ?? {})).toEqual([scribe.events(lane).length]);
    }
    expect(reader.got.map(({ type }) => type)).not.toContain('Reset');
  };

  it('nothing is lost and nothing out of order when bridges are killed under load', { timeout: 90_000 }, async () => {
    const [reader] = (await opened('k1')) as [Reader];
    const writing = load();
    for (let i = 0; i < 3; i++) {
      const child = await bridging.spawnPump();
      const before = await stored('k1');
      await until(
        () => stored('k1'),
        (now) => now > before + 200,
      );
      child.kill('SIGKILL');
    }
    done = true;
    await writing;
    await bridging.startPump();
    await expectWhole(reader, 'k1');
  });

  it('two bridges at once do no harm, and either goes on alone', { timeout: 60_000 }, async () => {
    const first = await bridging.startPump();
    await bridging.startPump();
    const [reader] = (await opened('t1')) as [Reader];
    const writing = load();
    await until(
      () => stored('t1'),
      (now) => now > 300,
    );
    await first.stop();
    await until(
      () => stored('t1'),
      (now) => now > 600,
    );
    done = true;
    await writing;
    await expectWhole(reader, 't1');
  });

  it('goes on after nats-server was killed', { timeout: 60_000 }, async () => {
    await bridging.startPump();
    const [reader] = (await opened('n1')) as [Reader];
    const writing = load();
    await until(
      () => stored('n1'),
      (now) => now > 100,
    );
    await bridging.servers.nats.kill9();
    await bridging.servers.nats.restart();
    const before = await until(
      () => stored('n1'),
      (now) => now > 0,
    );
    await until(
      () => stored('n1'),
      (now) => now > before + 100,
    );
    done = true;
    await writing;
    const { scribe, journal } = bridging;
    // What was written while it was gone, the writer itself does not know: the lane does.
    for (const lane of LANES) {
      const records: StoredRecord[] = [];
      for (let complete = false; !complete; ) {
        const page = await journal.read(lane, revisionOf((records.at(-1)?.revision ?? 0) + 1));
        records.push(...page.records);
        complete = page.complete;
      }
      scribe.lanes.set(
        lane,
        records.flatMap(({ record }) => record?.events ?? []),
      );
    }
    await expectWhole(reader, 'n1');
  });

  it('a stream that takes nothing holds up nobody else, and gets all of it later', { timeout: 60_000 }, async () => {
    const { manager, scribe } = bridging;
    await bridging.startPump();
    const [full, other] = (await opened('f1', 'f2')) as [Reader, Reader];
    await until(async () => (await stored('f1')) === LANES.length && (await stored('f2')) === LANES.length, Boolean);
    const { config } = await manager.streams.info('APP_f1');
    await manager.streams.update('APP_f1', { ...config, max_msg_size: 64 });
    for (const lane of LANES) await scribe.say(lane, 100, 10);
    await expectWhole(other, 'f2');
    expect(await stored('f1')).toBe(LANES.length);
    await manager.streams.update('APP_f1', { ...config, max_msg_size: -1 });
    for (const lane of LANES) await scribe.say(lane, 100, 10);
    await expectWhole(full, 'f1');
    await expectWhole(other, 'f2');
  });

  it('a deleted stream is made again, and what was in it is told of', { timeout: 60_000 }, async () => {
    const { manager, scribe } = bridging;
    await bridging.startPump();
    await opened('d1');
    for (const lane of LANES) await scribe.say(lane, 10, 5);
    await until(
      () => stored('d1'),
      (now) => now === 11 * LANES.length,
    );
    await manager.streams.delete('APP_d1');
    for (const lane of LANES) await scribe.say(lane, 10, 5);
    await until(
      () => stored('d1'),
      (now) => now >= 11 * LANES.length,
    );
    const got: { type: string; seq: number; conversationId: string }[] = [];
    const { state } = await manager.streams.info('APP_d1');
    for (let seq = state.first_seq; seq <= state.last_seq; seq++)
      got.push((await manager.streams.getMessage('APP_d1', { seq })).json());
    for (const lane of LANES) {
      const mine = got.filter(({ conversationId }) => conversationId === lane);
      expect(mine.map(({ type, seq }) => [type, seq])).toEqual([
        ['Reset', 11],
        ...range(12, 21).map((seq) => ['MessageSent', seq]),
      ]);
    }
  });

  it('lanes that were restored to an earlier state are told of, and go on', { timeout: 60_000 }, async () => {
    const { bridge, manager, scribe, servers } = bridging;
    const pump = await bridging.startPump();
    await opened('r1');
    for (const lane of LANES) await scribe.say(lane, 10, 5);
    await until(
      () => stored('r1'),
      (now) => now === 11 * LANES.length,
    );
    await pump.stop();
    const { url: urls, user, password: pass } = servers.nats;
    const lanes = await connect({ servers: urls, user, pass });
    const { streams } = await lanes.jetstreamManager();
    for (const p of [0, 1]) await streams.delete(laneStream(p));
    await lanes.close();
    scribe.lanes.clear();
    // The server takes what has the same id for the same for two seconds; nobody restores a stream as fast. An id that came after
    // all others is forgotten after them.
    const [probe, last] = ['chat.app.r1.replay.probe.c1', { msgID: 'last' }];
    await until(
      () => bridge.jetstream().publish(probe, '', last),
      ({ seq, duplicate }) => seq > 11 * LANES.length + 1 && !duplicate,
    );
    await manager.streams.purge('APP_r1', { filter: probe });
    const alarms: string[] = [];
    await bridging.startPump({}, pino({ level: 'error' }, { write: (line) => void alarms.push(line) }));
    for (const lane of LANES) {
      await scribe.create(lane, 'app_r1');
      await scribe.say(lane, 2);
    }
    await until(
      () => alarms.filter((line) => line.includes('"halted"')).length,
      (halted) => halted === 2,
    );
    const link = await openLink({ ...(bridging.config.natsBridge as NatsAddress), name: 'test resume', log: silent });
    const { journal, registry: integrations } = bridging;
    for (const p of [0, 1])
      expect(
        await resumeBridge(
          { journal, integrations, link },
          p,
          { kind: 'from', revision: 1 },
          new AbortController().signal,
        ),
      ).toEqual([{ app: 'r1', revision: 0 }]);
    await link.close();
    await until(
      () => stored('r1'),
      (now) => now === 15 * LANES.length,
    );
    const { state } = await manager.streams.info('APP_r1');
    const got: Got[] = [];
    for (let seq = state.last_seq - 4 * LANES.length + 1; seq <= state.last_seq; seq++)
      got.push((await manager.streams.getMessage('APP_r1', { seq })).json());
    for (const lane of LANES)
      expect(
        got.filter(({ conversationId }) => conversationId === lane).map((one) => [one.type, one.seq, one.resetReason]),
      ).toEqual([
        ['Reset', 0, 'STORE_REBUILT'],
        ['ConversationCreated', 1, undefined],
        ['MessageSent', 2, undefined],
        ['MessageSent', 3, undefined],
      ]);
  });
});
