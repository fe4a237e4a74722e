/** One client from its first byte to its last: a stranger, then a user. */
import type { Socket } from 'node:net';
import type { Millis } from '../../schema/ids.ts';
import type { Counts } from '../../services/buckets.ts';
import type { Logger } from '../../services/logger.ts';
import { Capabilities } from './capabilities.ts';
import { type CloseReason, Connection } from './connection.ts';
import { type Present, wayOf } from './crowd.ts';
import type { Limits } from './limits.ts';
import type { Line, Parsed } from './line.ts';
import type { IrcMetrics } from './metrics.ts';
import { type Identity, Registration } from './registration.ts';
import { fail, reply } from './replies.ts';
import { Session } from './session.ts';

/** For messages that are on their way when the server stops. */
const DRAIN_MS = 3_000;

export interface ClientParts {
  readonly socket: Socket;
  /** Of the api. */
  readonly url: string;
  readonly limits: Limits;
  readonly metrics: IrcMetrics;
  readonly log: Logger;
  /** Connections by user. */
  readonly users: Counts;
  onClosed(): void;
}

export class Client implements Present {
  readonly address: string;
  readonly #parts: ClientParts;
  readonly #connection: Connection;
  readonly #capabilities = new Capabilities();
  readonly #registration: Registration;
  readonly #openedAt = performance.now();
  #identity: Identity | undefined;
  #session: Session | undefined;
  #hasSpoken = false;
  #badLines = 0;
  #closed: Promise<void> | undefined;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    const { remoteAddress = '' } = parts.socket;
    this.address = wayOf(remoteAddress);
    this.#registration = new Registration(parts.url, this.#capabilities, remoteAddress);
    this.#connection = new Connection({
      ...parts,
      capabilities: this.#capabilities,
      onLine: (parsed) => this.#take(parsed),
      onFull: () => this.#session?.park(),
      onDrained: () => this.#session?.resume(),
      onClosed: () => {
        void this.#close();
        parts.onClosed();
      },
    });
  }

  get isStranger(): boolean {
    return this.#session === undefined;
  }

  get isClosing(): boolean {
    return this.#connection.isClosing;
  }

  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  get channels(): number {
    return this.#session?.channels ?? 0;
  }

  close(reason: CloseReason, why: string): void {
    this.#connection.close(reason, why);
  }

  /** Its place is another's at once. */
  evict(): void {
    this.close('evicted', 'Others want to come in: come again');
    this.#connection.cut();
  }

  /** Closes, and settles when what was said is in its lanes, or its time is over. */
  async stop(): Promise<void> {
    this.close('draining', 'This server is stopping: come again');
    this.#session?.hurry(DRAIN_MS);
    await this.#close();
  }

  /** Settles as `stop` does, where it is closed already. */
  get left(): Promise<void> {
    return this.#close();
  }

  /** Called about once a second. */
  sweep(tick: number, now: Millis): void {
    const { limits } = this.#parts;
    if (this.#identity && this.#identity.expiresAt <= now) this.close('token', 'Your token has expired');
    else if (this.isStranger && tick - this.#openedAt > limits.registerWithinMs)
      this.close('late', 'You took too long to register');
    else this.#connection.sweep(tick);
  }

  #close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  async #leave(): Promise<void> {
    const session = this.#session;
    if (!session) this.#registration.close();
    else {
      if (this.#identity) this.#parts.users.leave(this.#identity.user);
      await session.close();
    }
  }

  async #take(parsed: Parsed): Promise<void> {
    try {
      if (parsed.kind === 'bad') this.#complain(parsed.why);
      else await this.#line(parsed.line);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a fault on a connection');
      this.close('fault', 'A fault of the server: its log has it');
    }
  }

  async #line(line: Line): Promise<void> {
    this.#badLines = 0;
    this.#hasSpoken = true;
    if (line.command === 'QUIT') this.close('quit', 'Goodbye');
    else if (this.#session) await this.#session.take(line);
    else await this.#register(line);
  }

  async #register(line: Line): Promise<void> {
    const { lines, identity, end } = await this.#registration.take(line);
    this.#connection.write(lines);
    if (end !== undefined) this.close('refused', end);
    else if (identity) this.#admit(identity);
  }

  #admit(identity: Identity): void {
    // It may have gone while the api was asked who it is.
    if (this.#closed) {
      identity.api.close();
      return;
    }
    const { limits, metrics, users } = this.#parts;
    if (!users.enter(identity.user)) {
      this.close('refused', 'You have too many connections');
      return;
    }
    this.#identity = identity;
    this.#session = new Session({
      ...{ user: identity.user, api: identity.api, capabilities: this.#capabilities, limits, metrics },
      write: (lines) => this.#connection.write(lines),
      end: (why) => this.close('token', why),
    });
    this.#session.welcome();
  }

  #complain(why: Extract<Parsed, { kind: 'bad' }>['why']): void {
    this.#badLines++;
    const nick = this.#identity?.user ?? '*';
    this.#connection.write([
      why === 'TOO_LONG'
        ? reply('417', nick, 'The line is too long: 512 bytes')
        : fail('*', why, 'This is no line of IRC in UTF-8'),
    ]);
    if (this.#badLines >= this.#parts.limits.badLines) this.close('bad-lines', 'Too many lines that are none');
  }
}
