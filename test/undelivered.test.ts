import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type NoPushReason, PUSH_EXPIRES_MS } from '../schema/delivery.ts';
import type { Millis, Seq, UserId } from '../schema/ids.ts';
import type { Member } from '../services/lane/lane.ts';
import { isQuiet } from '../services/notifier/do-not-disturb.ts';
import { type Reachability, recipientsOf, undeliveredOf, verdictOf } from '../services/notifier/undelivered.ts';
import type { DeviceRecord, DoNotDisturb, PushTokenState } from '../services/views/devices.ts';
import type { PushProviderName } from '../services/views/push-address.ts';

const NOW = Date.UTC(2026, 0, 15, 12, 0);
const user = (name: string): UserId => name as UserId;
const seq = (n: number): Seq => n as Seq;
const told = { seq: seq(10), by: user('alice'), at: NOW - 10_000 };

const member = (joinedSeq: number): Member => ({
  role: 'MEMBER',
  joinedAt: 0,
  joinedSeq: seq(joinedSeq),
  firstSeq: seq(1),
});

function device(state: PushTokenState | 'NONE', provider: PushProviderName = 'FCM', name = 'phone'): DeviceRecord {
  const base = { user: user('bob'), device: name as DeviceRecord['device'], since: 0, lastSeenAt: 0 };
  if (state === 'NONE') return base;
  if (state !== 'VALID') return { ...base, provider, tokenState: state };
  const push = { provider: 'FCM' as const, token: 't' };
  return {
    ...base,
    provider,
    tokenState: state,
    tokenHash: 'h',
    tokenSince: 0,
    push: { ...push, provider } as NonNullable<DeviceRecord['push']>,
  };
}

const given = (devices: readonly DeviceRecord[], more: Partial<Reachability> = {}): Reachability => ({
  devices: new Map(devices.length > 0 ? [[user('bob'), devices]] : []),
  settings: new Map(),
  muted: new Map(),
  providers: new Set<PushProviderName>(['FCM']),
  now: NOW,
  ...more,
});
const reasonOf = (reach: Reachability, message = told): NoPushReason | 'push' => {
  const verdict = verdictOf(user('bob'), message, reach);
  return verdict.kind === 'push' ? 'push' : verdict.reason;
};

describe('who is to be pushed', () => {
  test('recipients are the members of the message’s time who still are, less its sender', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.nat(20)), fc.nat(20), (joined, at) => {
        const names = Object.keys(joined);
        const by = names[0] ?? 'nobody';
        const members = new Map(names.map((name) => [user(name), member(joined[name] as number)]));
        const found = recipientsOf({ members }, { seq: seq(at), by: user(by), at: NOW });
        expect(found).toEqual(names.filter((name) => name !== by && (joined[name] as number) < at));
      }),
    );
  });

  test('whoever has the message or anything after it is left out, and nobody else', () => {
    const seqs = fc.array(fc.nat(20), { maxLength: 30 });
    fc.assert(
      fc.property(seqs, fc.nat(20), (delivered, at) => {
        const users = delivered.map((_, i) => user(`u${i}`));
        const has = new Map(users.map((one, i) => [one, delivered[i] as number]));
        const left = undeliveredOf(users, seq(at), (one) => has.get(one) ?? 0);
        expect(left).toEqual(users.filter((_, i) => (delivered[i] as number) < at));
      }),
    );
  });

  test('there is always a verdict, and a push only where nothing is against it', () => {
    const states = fc.constantFrom<PushTokenState | 'NONE'>('VALID', 'DEAD', 'MOVED', 'NONE');
    const providers = fc.constantFrom<PushProviderName>('FCM', 'APNS');
    const devices = fc.array(fc.tuple(states, providers), { maxLength: 4 });
    const age = fc.constantFrom(0, 1_000, PUSH_EXPIRES_MS - 1, PUSH_EXPIRES_MS, PUSH_EXPIRES_MS + 1);
    const muted = fc.constantFrom<Millis | undefined>(undefined, NOW - 1, NOW, NOW + 1);
    const quiet = fc.constantFrom<DoNotDisturb | undefined>(
      undefined,
      { from: '11:00', to: '13:00', timeZone: 'UTC' },
      { from: '13:00', to: '14:00', timeZone: 'UTC' },
    );
    fc.assert(
      fc.property(devices, age, muted, quiet, (list, ageMs, until, doNotDisturb) => {
        const own = list.map(([state, provider], i) => device(state, provider, `d${i}`));
        const reach = given(own, {
          muted: new Map(until === undefined ? [] : [[user('bob'), until]]),
          settings: new Map([[user('bob'), { hideReadMarks: false, ...(doNotDisturb ? { doNotDisturb } : {}) }]]),
        });
        const verdict = verdictOf(user('bob'), { ...told, at: NOW - ageMs }, reach);
        const reachable = own.filter(({ push }) => push?.provider === 'FCM');
        const against =
          ageMs >= PUSH_EXPIRES_MS || (until ?? 0) > NOW || doNotDisturb?.from === '11:00' || reachable.length === 0;
        expect(verdict.kind).toBe(against ? 'no' : 'push');
        if (verdict.kind === 'push') expect(verdict.targets).toEqual(reachable);
      }),
    );
  });

  test.each<[string, NoPushReason | 'push', Reachability]>([
    ['a device with an address', 'push', given([device('VALID')])],
    ['no device', 'NO_DEVICE', given([])],
    ['a device that never had an address', 'NO_PUSH_ADDRESS', given([device('NONE')])],
    ['a token that went to another device', 'NO_PUSH_ADDRESS', given([device('MOVED')])],
    ['a dead token', 'TOKEN_DEAD', given([device('DEAD'), device('NONE', 'FCM', 'tablet')])],
    ['a dead token beside a good one', 'push', given([device('DEAD'), device('VALID', 'FCM', 'tablet')])],
    ['a provider that is off', 'PROVIDER_OFF', given([device('VALID', 'APNS')])],
    ['muted', 'MUTED', given([device('VALID')], { muted: new Map([[user('bob'), NOW + 1]]) })],
    ['muted until now', 'push', given([device('VALID')], { muted: new Map([[user('bob'), NOW]]) })],
    ['muted, and no device', 'MUTED', given([], { muted: new Map([[user('bob'), NOW + 1]]) })],
  ])('%s: %s', (_, expected, reach) => {
    expect(reasonOf(reach)).toBe(expected);
  });

  test('too old', () => {
    expect(reasonOf(given([device('VALID')]), { ...told, at: NOW - PUSH_EXPIRES_MS })).toBe('EXPIRED');
  });
});

describe('do not disturb', () => {
  const at = (text: string): Millis => Date.parse(text);
  test.each<[DoNotDisturb, string, boolean]>([
    [{ from: '09:00', to: '17:00', timeZone: 'UTC' }, '2026-01-15T08:59:59Z', false],
    [{ from: '09:00', to: '17:00', timeZone: 'UTC' }, '2026-01-15T09:00:00Z', true],
    [{ from: '09:00', to: '17:00', timeZone: 'UTC' }, '2026-01-15T16:59:59Z', true],
    [{ from: '09:00', to: '17:00', timeZone: 'UTC' }, '2026-01-15T17:00:00Z', false],
    [{ from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' }, '2026-01-15T21:00:00Z', true],
    [{ from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' }, '2026-01-15T20:59:00Z', false],
    [{ from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' }, '2026-01-16T05:59:00Z', true],
    [{ from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' }, '2026-01-16T06:00:00Z', false],
    // Summer time: the wall's clock counts.
    [{ from: '22:00', to: '07:00', timeZone: 'Europe/Berlin' }, '2026-07-15T05:00:00Z', false],
    [{ from: '00:00', to: '01:00', timeZone: 'Asia/Kolkata' }, '2026-01-15T18:30:00Z', true],
    [{ from: '00:00', to: '00:00', timeZone: 'UTC' }, '2026-01-15T00:00:00Z', false],
    [{ from: '00:00', to: '23:59', timeZone: 'No/Where' }, '2026-01-15T12:00:00Z', false],
  ])('%j at %s: %s', (window, time, expected) => {
    expect(isQuiet(window, at(time))).toBe(expected);
  });

  test('a window and the one from its end to its beginning share the day between them', () => {
    const minute = fc.nat(1439).map((n) => new Date(n * 60_000).toISOString().slice(11, 16));
    fc.assert(
      fc.property(minute, minute, fc.nat(100_000_000), (from, to, offset) => {
        fc.pre(from !== to);
        const timeZone = 'America/New_York';
        const now = at('2026-01-01T00:00:00Z') + offset * 60;
        expect(isQuiet({ from, to, timeZone }, now)).not.toBe(isQuiet({ from: to, to: from, timeZone }, now));
      }),
    );
  });
});
