/**
 * Who of the integrations is connected now, by the server's own account of it: what it says at each connect and disconnect, and a list
 * from all servers now and then. With it a limit is kept, and who may no longer be there is put out. Without a user of the
 * system account nothing is known: rights then end by themselves after a while (`callout.ts`).
 */
import type { Msg } from 'nats';
import { type AppId, appOfUser, parseUserId } from '../schema/ids.ts';
import type { Stoppable } from '../services/journal/journal.ts';
import type { Asker, Link } from '../services/journal/link.ts';
import { jsonOf } from '../services/journal/message.ts';
import type { Logger } from '../services/logger.ts';

const LIST_MS = 30_000;
/** Of several servers each answers; more than this after the last answer nobody is waited for. */
const ANSWERS_MS = 250;
const PAGE = 1_000;
/** A connection that was let in and is not there after this never came. */
const EXPECTED_MS = 10_000;

/** One connection: the server, and its number there. */
export interface Seat {
  readonly server: string;
  readonly cid: number;
  readonly app: AppId;
  /** As of when the secret that it proved was the integration's. */
  readonly since: number;
}

/** The name that a connection bears: who it is, and as of when. */
export const connectionNameOf = (user: string, since: number): string => `${user}#${since}`;

function parseConnectionName(name: unknown): { readonly app: AppId; readonly since: number } | undefined {
  const [user, since = ''] = typeof name === 'string' ? name.split('#') : [];
  const id = parseUserId(user);
  const app = id && appOfUser(id);
  return app && /^\d{1,16}$/.test(since) ? { app, since: Number(since) } : undefined;
}

interface ConnectEvent {
  readonly server?: { readonly id?: string };
  readonly client?: { readonly id?: number; readonly user?: string };
}
interface ConnectionList {
  readonly server?: { readonly id?: string };
  readonly data?: {
    readonly total?: number;
    readonly offset?: number;
    readonly connections?: readonly { readonly cid: number; readonly authorized_user?: string }[];
  };
}

export class DoorConnections {
  readonly #sys: Link;
  readonly #accounts: readonly string[];
  readonly #log: Logger;
  readonly #mayStay: (seat: Seat) => boolean;
  readonly #seats = new Map<string, Seat & { readonly expectedUntil: number }>();
  readonly #counts = new Map<AppId, number>();
  readonly #stops: Stoppable[];
  readonly #listing: NodeJS.Timeout;
  #list: Promise<void> | undefined;
  #again = false;

  constructor(parts: {
    readonly sys: Link;
    /** Where integrations are. */
    readonly accounts: readonly string[];
    /** Asked of every connection that is heard of; who may not is put out. */
    readonly mayStay: (seat: Seat) => boolean;
    readonly log: Logger;
  }) {
    this.#sys = parts.sys;
    this.#accounts = parts.accounts;
    this.#log = parts.log;
    this.#mayStay = parts.mayStay;
    const { sys, accounts } = parts;
    this.#stops = [
      ...accounts.flatMap((account) => [
        sys.subscribe(`$SYS.ACCOUNT.${account}.CONNECT`, (message) => this.#connected(message)),
        sys.subscribe(`$SYS.ACCOUNT.${account}.DISCONNECT`, (message) => this.#disconnected(message)),
      ]),
      sys.onChange((up) => up && this.review()),
    ];
    this.#listing = setInterval(() => this.review(), LIST_MS);
    this.review();
  }

  /** Connections of the integration, those among them that were let in a moment ago. */
  countOf(app: AppId): number {
    return this.#counts.get(app) ?? 0;
  }

  /** It was let in and will be there. */
  expect(seat: Seat): void {
    this.#put(seat, performance.now() + EXPECTED_MS);
  }

  /** Asks again of everybody who is there, from memory at once, and from the servers' own lists. */
  review(): void {
    for (const seat of this.#seats.values()) this.#check(seat);
    if (this.#list) this.#again = true;
    else
      this.#list = this.#readList().finally(() => {
        this.#list = undefined;
        if (this.#again) {
          this.#again = false;
          this.review();
        }
      });
  }

  async stop(): Promise<void> {
    clearInterval(this.#listing);
    for (const one of this.#stops) one.stop();
    this.#again = false;
    await this.#list;
  }

  #connected(message: Msg): void {
    const { server, client } = jsonOf(message.data) as ConnectEvent;
    const who = parseConnectionName(client?.user);
    if (!who || !server?.id || client?.id === undefined) return;
    const seat = { server: server.id, cid: client.id, ...who };
    this.#put(seat, Number.POSITIVE_INFINITY);
    this.#check(seat);
  }

  #disconnected(message: Msg): void {
    const { server, client } = jsonOf(message.data) as ConnectEvent;
    if (server?.id && client?.id !== undefined) this.#remove(`${server.id}:${client.id}`);
  }

  #check(seat: Seat): void {
    if (this.#mayStay(seat)) return;
    const { app, cid, server } = seat;
    // A request without a reply subject is not listened to.
    const asker = new Answers(() => undefined);
    if (this.#sys.ask(asker, `$SYS.REQ.SERVER.${server}.KICK`, JSON.stringify({ cid })))
      this.#log.info({ app, cid }, 'a connection of an integration is ended');
  }

  #put(seat: Seat, expectedUntil: number): void {
    const key = `${seat.server}:${seat.cid}`;
    this.#remove(key);
    this.#seats.set(key, { ...seat, expectedUntil });
    this.#counts.set(seat.app, this.countOf(seat.app) + 1);
  }

  #remove(key: string): void {
    const seat = this.#seats.get(key);
    if (!seat) return;
    this.#seats.delete(key);
    const left = this.countOf(seat.app) - 1;
    if (left > 0) this.#counts.set(seat.app, left);
    else this.#counts.delete(seat.app);
  }

  /** Every server's list, page by page. What came meanwhile by events stays; what no list has is gone. */
  async #readList(): Promise<void> {
    const before = new Set(this.#seats.keys());
    for (const account of this.#accounts)
      for (let offset = 0, isWhole = false; !isWhole; offset += PAGE) {
        const answers = await this.#ask(account, offset);
        // Nobody answers: nothing is known, and nothing is forgotten.
        if (answers.length === 0) return;
        for (const answer of answers) this.#listed(answer, before);
        isWhole = answers.every(({ data }) => offset + PAGE >= (data?.total ?? 0));
      }
    const now = performance.now();
    for (const key of before) {
      const { expectedUntil = 0 } = this.#seats.get(key) ?? {};
      if (expectedUntil === Number.POSITIVE_INFINITY || expectedUntil < now) this.#remove(key);
    }
  }

  #listed({ server, data }: ConnectionList, before: Set<string>): void {
    for (const { cid, authorized_user } of data?.connections ?? []) {
      const who = parseConnectionName(authorized_user);
      if (!who || !server?.id) continue;
      const seat = { server: server.id, cid, ...who };
      before.delete(`${server.id}:${cid}`);
      this.#put(seat, Number.POSITIVE_INFINITY);
      this.#check(seat);
    }
  }

  #ask(account: string, offset: number): Promise<ConnectionList[]> {
    return new Promise((resolve) => {
      const question = { acc: account, auth: true, limit: PAGE, offset };
      const asker = new Answers(resolve);
      if (!this.#sys.ask(asker, '$SYS.REQ.SERVER.PING.CONNZ', JSON.stringify(question))) resolve([]);
    });
  }
}

/** Whatever comes until nothing comes for a while. */
class Answers implements Asker {
  deadline = performance.now() + ANSWERS_MS * 8;
  readonly #answers: ConnectionList[] = [];
  readonly #resolve: (answers: ConnectionList[]) => void;

  constructor(resolve: (answers: ConnectionList[]) => void) {
    this.#resolve = resolve;
  }

  answered(message: Msg): false {
    // Empty: nobody answers.
    if (message.data.length > 0) this.#answers.push(jsonOf(message.data) as ConnectionList);
    this.deadline = performance.now() + ANSWERS_MS;
    return false;
  }

  lost(): void {
    this.#resolve(this.#answers);
  }
}
