/** The load of phones: apps that come and go with their inboxes, some that never come, and those who write to them. */
import type { UserId } from '../../schema/ids.ts';
import { directLaneIdOf } from '../../services/lane/wishes.ts';
import { apnsToken } from '../support/providers/pushing.ts';
import { App, type Habit } from './app.ts';
import { muteRequestOf, registerRequestOf, saidOf } from './app-documents.ts';
import { Client, pause } from './commands.ts';
import type { GraphQLRequest } from './documents.ts';
import { post, tokenOf } from './doors.ts';
import type { Gateways } from './gateways.ts';
import { timedKey } from './keys.ts';
import type { AppDevice } from './push-trace.ts';
import type { LoadOptions } from './senders.ts';
import type { Wish } from './trace.ts';

const TALKERS = 4;
const TEAMS = 6;
const TEAM_SIZE = 8;
/** How many users of each habit. */
const USERS: Readonly<Record<Habit | 'never', number>> = { quick: 5, commuter: 8, wanderer: 3, never: 8 };
/** Of each talker, in the mean. */
const PACE_MS = 800;
const WALK = 'walk';
const DAY_MS = 24 * 60 * 60 * 1000;
const AGAIN_MS = 200;

export interface PhonesOptions extends LoadOptions {
  readonly gateways: Gateways;
  /** When some tokens die, by the machine's clock. */
  readonly diesAt: number;
}

interface Team {
  readonly lane: string;
  readonly talker: Client;
  readonly members: readonly string[];
}

export class Phones {
  readonly devices: readonly AppDevice[];
  readonly muted: readonly { readonly user: string; readonly lane: string }[];
  readonly apps: readonly App[];
  readonly #options: PhonesOptions;
  readonly #stopping = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #talkers: readonly Client[];
  readonly #users: readonly { readonly user: string; readonly habit: Habit | 'never' }[];
  readonly #lanes: readonly Team[];
  readonly #directs: readonly { readonly lane: string; readonly talker: Client; readonly other: string }[];
  #running: Promise<void>[] = [];

  constructor(options: PhonesOptions) {
    this.#options = options;
    const { random } = options;
    this.#talkers = Array.from({ length: TALKERS }, (_, n) => this.#client(`talker${n}`));
    this.#users = Object.entries(USERS).flatMap(([habit, count]) =>
      Array.from({ length: count }, (_, n) => ({ user: `${habit}${n}`, habit: habit as Habit | 'never' })),
    );
    const names = this.#users.filter(({ habit }) => habit !== 'wanderer').map(({ user }) => user);
    const talkerOf = (n: number) => this.#talkers[n % TALKERS] as Client;
    this.#lanes = [
      ...Array.from({ length: TEAMS }, (_, n) => ({
        ...{ lane: `team${n}`, talker: talkerOf(n) },
        members: random.shuffle(names).slice(0, TEAM_SIZE),
      })),
      { lane: WALK, talker: talkerOf(0), members: this.#wanderers },
    ];
    this.#directs = random
      .shuffle(names)
      .slice(0, TALKERS)
      .map((other, n) => {
        const talker = talkerOf(n);
        return { lane: directLaneIdOf(talker.user as UserId, other as UserId), talker, other };
      });
    this.devices = this.#users.flatMap(({ user }, n) => devicesOf(user, n, options.diesAt));
    this.muted = this.#lanes.slice(1, 3).flatMap(({ lane, members }) => {
      const user = members.find((name) => name.startsWith('never') || name.startsWith('commuter'));
      return user === undefined ? [] : [{ user, lane }];
    });
    const habits = new Map(this.#users.map(({ user, habit }) => [user, habit]));
    this.apps = this.devices.flatMap((device) => {
      const habit = habits.get(device.user) ?? 'never';
      if (habit === 'never') return [];
      const name = `${device.user} ${device.device}`;
      const client = this.#client(device.user);
      return [new App({ ...options, device, habit, client, random: random.fork(name) })];
    });
  }

  get lanes(): readonly string[] {
    return [...this.#lanes, ...this.#directs].map(({ lane }) => lane);
  }

  get #wanderers(): readonly string[] {
    return this.#users.filter(({ habit }) => habit === 'wanderer').map(({ user }) => user);
  }

  /** Registers everybody, then makes the conversations. Throws where that is refused. */
  async prepare(): Promise<void> {
    const { gateways } = this.#options;
    for (const { token, deadAt } of this.devices) if (deadAt !== undefined) gateways.kill(token, deadAt);
    await Promise.all(this.devices.map((device) => this.#insist(device.user, registerRequestOf(device))));
    await Promise.all([
      ...this.#lanes.map(({ lane, talker, members }) =>
        talker.settle({
          ...{ lane, key: timedKey() },
          wish: { type: 'create', kind: 'GROUP', title: lane, members: [...members] },
        }),
      ),
      ...this.#directs.map(({ lane, talker, other }) =>
        talker.settle({ lane, key: timedKey(), wish: { type: 'create', kind: 'DIRECT', members: [other] } }),
      ),
    ]);
    const until = Date.now() + DAY_MS;
    await Promise.all(this.muted.map(({ user, lane }) => this.#insist(user, muteRequestOf(lane, until))));
  }

  start(): void {
    this.#running = [...this.#talkers.map((talker) => this.#talk(talker)), this.#moveMembers()];
    for (const app of this.apps) app.start();
  }

  /** Nobody writes any more; every app stays, once it has come. */
  async calm(withinMs: number): Promise<void> {
    this.#stopping.abort();
    const timer = setTimeout(() => this.#giveUp.abort(), withinMs);
    for (const app of this.apps) app.calm();
    await Promise.all([...this.#running, ...this.apps.map((app) => app.quiet())]);
    const members = [...this.#wanderers];
    const [talker] = this.#talkers as [Client];
    await talker.settle({ lane: WALK, key: timedKey(), wish: { type: 'add', members, hideHistory: false } });
    clearTimeout(timer);
    for (const talker of this.#talkers) talker.close();
  }

  async stop(): Promise<void> {
    await Promise.all(this.apps.map((app) => app.stop()));
  }

  #client(user: string): Client {
    const { doors, secret, recorder, random } = this.#options;
    const signal = this.#giveUp.signal;
    return new Client({ user, door: 'http', doors, secret, recorder, random: random.fork(user), signal });
  }

  async #insist(user: string, asked: GraphQLRequest): Promise<void> {
    const { doors, secret, random } = this.#options;
    for (;;) {
      const said = saidOf(await post(random.pick(doors), tokenOf(secret, user), asked));
      if (said !== 'unknown' && said.kind === 'stored') return;
      if (said !== 'unknown' && said.kind === 'refused') throw new Error(`${user} was refused: ${said.code}`);
      await pause(AGAIN_MS);
    }
  }

  async #talk(talker: Client): Promise<void> {
    const random = this.#options.random.fork(`talk of ${talker.user}`);
    const lanes = [...this.#lanes, ...this.#directs].filter((one) => one.talker === talker).map(({ lane }) => lane);
    for (let n = 0; !this.#stopping.signal.aborted; n++) {
      const began = performance.now();
      const text = `${talker.user} ${n}`;
      await talker.settle({ lane: random.pick(lanes), key: timedKey(), wish: { type: 'send', text } });
      await this.#pace(-Math.log(1 - random.next()) * PACE_MS - (performance.now() - began));
    }
  }

  async #moveMembers(): Promise<void> {
    const random = this.#options.random.fork('walks');
    const [talker] = this.#talkers as [Client];
    while (!this.#stopping.signal.aborted) {
      const guest = random.pick(this.#wanderers);
      const wish: Wish = random.chance(0.5)
        ? { type: 'add', members: [guest], hideHistory: random.chance(0.5) }
        : { type: 'remove', member: guest };
      await talker.settle({ lane: WALK, key: timedKey(), wish });
      await this.#pace(random.int(300, 3_000));
    }
  }

  /** Shorter where everything is to come to rest. */
  async #pace(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end && !this.#stopping.signal.aborted) await pause(Math.min(ms, 100));
  }
}

/** Every third user has two phones, of which one may be known to its provider no more: from the beginning, or from some time on. */
function devicesOf(user: string, n: number, diesAt: number): AppDevice[] {
  const iphone: AppDevice = { user, device: 'iphone', gateway: 'APNS', token: apnsToken(user) };
  const android: AppDevice = { user, device: 'android', gateway: 'FCM', token: `fcm-of-${user}` };
  if (n % 3 > 0) return n % 2 === 0 ? [iphone] : [{ ...android, ...(n % 10 === 1 ? { deadAt: diesAt } : {}) }];
  if (n % 4 === 0) return [iphone, { ...android, deadAt: 0 }];
  return n % 4 === 1 ? [{ ...iphone, deadAt: diesAt }, android] : [iphone, android];
}
