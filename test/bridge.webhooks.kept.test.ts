/** A webhook reads an integration's stream as a consumer does: what goes unsent is told, what was sent goes quietly. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AppId } from '../schema/ids.ts';
import { appStream } from '../schema/subjects.ts';
import { app, type Bridging, Reader, range, seqsOf, startBridging } from './support/bridging.ts';
import { silent } from './support/projecting.ts';
import { createAuthority } from './support/providers/certificates.ts';
import { type Receiver, startReceiver } from './support/receiver.ts';
import { laneId, until } from './support/scribe.ts';
import { hook, openSending, type Sending } from './support/sending.ts';

const authority = createAuthority();

describe('of a stream that is short of room', { timeout: 90_000 }, () => {
  let bridging: Bridging;
  let sending: Sending;
  let receiver: Receiver;

  beforeAll(async () => {
    bridging = await startBridging();
    await bridging.startPump({ LANES_APP_STREAM_BYTES: String(1024 * 1024) });
    sending = await openSending(bridging.config, silent, { authority: authority.certificate });
    receiver = await startReceiver(authority);
  });
  afterAll(async () => {
    await sending?.stop();
    await receiver?.stop();
    await bridging?.stop();
  });

  const large = async (lane: string, count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      await bridging.scribe.write(laneId(lane), [{ type: 'MessageSent', text: `${i}${'x'.repeat(20_000)}` }]);
  };
  const firstSeq = async (name: AppId): Promise<number> =>
    (await bridging.manager.streams.info(appStream(name))).state.first_seq;
  const eventsOf = (lane: string) =>
    receiver.taken.map(({ event }) => event).filter(({ conversationId }) => conversationId === lane);

  it('a webhook that was kept waiting is told, though a consumer has read everything', async () => {
    const name = app('kept1');
    const reader = new Reader(await bridging.enter(await bridging.add(name)), name);
    await hook(bridging.registry, name, receiver.url);
    await bridging.scribe.create(laneId('k1'), `app_${name}`);
    await bridging.scribe.create(laneId('k2'), `app_${name}`);
    await until(
      () => receiver.taken.length,
      (count) => count === 2,
    );
    receiver.meet(() => 500);
    await bridging.scribe.say(laneId('k2'), 3);
    for (let i = 0; i < 8; i++) {
      await large('k1', 15);
      const { length } = bridging.scribe.events(laneId('k1'));
      await reader.read((got) => got.some(({ conversationId, seq }) => conversationId === 'k1' && seq === length));
    }
    expect(reader.got.map(({ seq }) => seq)).toContain(121);
    await until(
      () => firstSeq(name),
      (first) => first > 10,
    );
    receiver.meet(() => 204);
    for (const [lane, last] of [
      ['k1', 121],
      ['k2', 4],
    ] as const) {
      await until(
        () => eventsOf(lane).at(-1)?.seq,
        (seq) => seq === last,
        40_000,
      );
      let position = 0;
      for (const { type, seq } of eventsOf(lane)) {
        if (type === 'Reset') position = Math.max(position, seq);
        else if (seq > position) {
          expect(seq).toBe(position + 1);
          position = seq;
        }
      }
      expect(position).toBe(last);
    }
    expect(receiver.taken.map(({ event }) => event.type)).toContain('Reset');
  });

  it('a webhook that keeps up is told nothing, though no consumer reads', async () => {
    const name = app('kept2');
    await bridging.add(name);
    await hook(bridging.registry, name, receiver.url);
    await bridging.scribe.create(laneId('q1'), `app_${name}`);
    await bridging.scribe.create(laneId('q2'), `app_${name}`);
    for (let i = 1; i <= 8; i++) {
      await large('q1', 15);
      await until(
        () => eventsOf('q1').at(-1)?.seq,
        (seq) => seq === 1 + 15 * i,
      );
    }
    await until(
      () => firstSeq(name),
      (first) => first > 10,
    );
    await bridging.scribe.say(laneId('q2'), 1);
    await until(
      () => eventsOf('q2').at(-1)?.seq,
      (seq) => seq === 2,
    );
    expect(eventsOf('q1').map(({ type }) => type)).not.toContain('Reset');
    expect(seqsOf(eventsOf('q1'), laneId('q1'))).toEqual(range(1, 121));
    expect(eventsOf('q2').map(({ seq }) => seq)).toEqual([1, 2]);
  });
});
