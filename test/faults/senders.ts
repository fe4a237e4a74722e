/** The load of commands: senders with their habits, and groups whose members come and go meanwhile. */
import type { UserId } from '../../schema/ids.ts';
import { directLaneIdOf } from '../../services/lane/wishes.ts';
import { Client, type Given, pause } from './commands.ts';
import type { Door } from './doors.ts';
import { keyMakerOf, plainKey, timedKey } from './keys.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { Wish } from './trace.ts';

const SENDERS = 20;
const OWNERS = 2;
/** Of each sender, in the mean. */
const PACE_MS = 110;
/** Commands remembered for asking again later: about as many for good as such that others replace. */
const REMEMBERED = 400;
/** Before the load: so many messages in the hot lane that it forgets its first keys, each sender within its budget. */
const FILLERS = 130;
const FILLED_BY_EACH = 38;
const HOT = 'hot';
const QUIET = ['tea', 'rain', 'moss', 'fern'];

export interface LoadOptions {
  readonly doors: readonly Door[];
  readonly secret: string;
  readonly recorder: Recorder;
  readonly random: Random;
}

export interface Race {
  readonly lane: string;
  readonly owner: Client;
  readonly guests: readonly string[];
}

export class Senders {
  readonly #options: LoadOptions;
  readonly #stopping = new AbortController();
  readonly #giveUp = new AbortController();
  readonly #clients: Client[] = [];
  readonly #races: Race[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #aside = new Set<Promise<unknown>>();
  readonly #old: { client: Client; given: Given }[] = [];
  /** By user, the direct conversations that it opened. */
  readonly #directs = new Map<string, string[]>();

  constructor(options: LoadOptions) {
    this.#options = options;
    for (let n = 0; n < SENDERS; n++) this.#clients.push(this.#client(`sender${n}`, n % 3 === 2 ? 'ws' : 'http'));
    for (let n = 0; n < OWNERS; n++) {
      const guests = this.#clients.slice(4 * n, 4 * n + 4).map(({ user }) => user);
      this.#races.push({ lane: `race${n}`, owner: this.#client(`owner${n}`, n === 0 ? 'http' : 'ws'), guests });
    }
  }

  get users(): readonly string[] {
    return this.#clients.map(({ user }) => user);
  }
  get races(): readonly Race[] {
    return this.#races;
  }
  /** Lanes in which all senders are, for good. */
  get openLanes(): readonly string[] {
    return [HOT, ...QUIET];
  }
  get hot(): string {
    return HOT;
  }

  /** Makes the conversations: before the load, but with the same retries. */
  async prepare(): Promise<void> {
    const [first] = this.#clients as [Client, ...Client[]];
    const fillers = Array.from({ length: FILLERS }, (_, n) => this.#client(`filler${n}`, 'http'));
    const others = fillers.map(({ user }) => user);
    const create = (client: Client, lane: string, members: readonly string[]) =>
      client.settle({
        lane,
        key: timedKey(),
        wish: { type: 'create', kind: 'GROUP', title: lane, members: [...members] },
      });
    await Promise.all([
      ...this.openLanes.map((lane) => create(first, lane, lane === HOT ? [...this.users, ...others] : this.users)),
      ...this.#races.map(({ lane, owner, guests }) => create(owner, lane, guests)),
    ]);
    await Promise.all(fillers.map((client) => this.#fill(client)));
  }

  /** Each in turn, so that about as many are under way as there are fillers. */
  async #fill(client: Client): Promise<void> {
    for (let n = 0; n < FILLED_BY_EACH; n++) {
      const given: Given = { lane: HOT, key: plainKey(), wish: { type: 'send', text: `${client.user} ${n}` } };
      await client.settle(given);
      if (n % 10 === 0) this.#old.push({ client, given });
    }
  }

  start(): void {
    for (const [n, client] of this.#clients.entries()) this.#running.push(this.#send(client, n));
    for (const race of this.#races) this.#running.push(this.#moveMembers(race));
  }

  /** No new command; those under way are brought to their end, or given up after `withinMs`. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping.abort();
    const timer = setTimeout(() => this.#giveUp.abort(), withinMs);
    await Promise.all([...this.#running, ...this.#aside]);
    // Everybody is back, so that the readers among them have an end to reach.
    for (const { lane, owner, guests } of this.#races)
      await owner.settle({ lane, key: timedKey(), wish: { type: 'add', members: [...guests], hideHistory: false } });
    clearTimeout(timer);
    for (const client of [...this.#clients, ...this.#races.map(({ owner }) => owner)]) client.close();
  }

  #client(user: string, door: 'http' | 'ws'): Client {
    const { doors, secret, recorder, random } = this.#options;
    return new Client({ user, door, doors, secret, recorder, random: random.fork(user), signal: this.#giveUp.signal });
  }

  async #send(client: Client, place: number): Promise<void> {
    const random = this.#options.random.fork(`habits of ${client.user}`);
    const newKey = keyMakerOf(place);
    const races = this.#races.filter(({ guests }) => guests.includes(client.user)).map(({ lane }) => lane);
    for (let n = 0; !this.#stopping.signal.aborted; n++) {
      if (random.chance(0.02)) await this.#openDirect(client, newKey(), random);
      const others = [...QUIET, ...races, ...races, ...(this.#directs.get(client.user) ?? [])];
      const lane = random.chance(0.5) ? HOT : random.pick(others);
      const text = `${client.user} ${n} ${'x'.repeat(random.chance(0.02) ? random.int(1_000, 15_000) : random.int(0, 120))}`;
      const given: Given = { lane, key: newKey(), wish: { type: 'send', text } };
      const began = performance.now();
      // The same command by two processes at once, as an impatient client has it.
      if (random.chance(0.03)) this.#besides(client.once(given, client.anyDoor()));
      const answer = await client.settle(given);
      if (answer?.kind === 'accepted') this.#askAgain(client, given, random);
      const pace = -Math.log(1 - random.next()) * PACE_MS;
      await pause(Math.max(1, pace - (performance.now() - began)));
    }
  }

  /** What was accepted is asked again: at once, long after, or with other words. */
  #askAgain(client: Client, given: Given, random: Random): void {
    if (random.chance(0.05)) this.#besides(client.settle(given));
    if (random.chance(0.015)) this.#besides(client.settle({ ...given, wish: { type: 'send', text: 'other words' } }));
    if (this.#old.length < 2 * REMEMBERED) this.#old.push({ client, given });
    else if (random.chance(0.05)) this.#old[random.int(REMEMBERED, 2 * REMEMBERED - 1)] = { client, given };
    if (!random.chance(0.04)) return;
    const old = random.pick(this.#old);
    this.#besides(old.client.settle(old.given));
  }

  /** From either side it is the same one. */
  async #openDirect(client: Client, key: string, random: Random): Promise<void> {
    const other = random.pick(this.users.filter((user) => user !== client.user));
    const lane = directLaneIdOf(client.user as UserId, other as UserId);
    const answer = await client.settle({ lane, key, wish: { type: 'create', kind: 'DIRECT', members: [other] } });
    const had = this.#directs.get(client.user) ?? [];
    if (answer?.kind === 'accepted') this.#directs.set(client.user, [...new Set([...had, lane])]);
  }

  #besides(work: Promise<unknown>): void {
    const done = work.finally(() => this.#aside.delete(done));
    this.#aside.add(done);
  }

  /** Membership changes that race the sends of those whom they concern. */
  async #moveMembers({ lane, owner, guests }: Race): Promise<void> {
    const random = this.#options.random.fork(`moves in ${lane}`);
    while (!this.#stopping.signal.aborted) {
      const guest = random.pick(guests);
      const client = this.#clients.find(({ user }) => user === guest) as Client;
      const wish: Wish = random.chance(0.5)
        ? { type: 'add', members: [guest], hideHistory: random.chance(0.5) }
        : { type: 'remove', member: guest };
      if (random.chance(0.1)) await client.settle({ lane, key: timedKey(), wish: { type: 'leave' } });
      else await owner.settle({ lane, key: timedKey(), wish });
      await pause(random.int(50, 700));
    }
  }
}
