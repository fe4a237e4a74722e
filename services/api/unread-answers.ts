/**
 * What was answered by HTTP and waits in this process for clients to read it. It is bounded by user, and for all together: past that
 * the connection of the user (or of the one who has most) that has waited longest is closed, as a lost one is. A client that reads
 * nothing at all is closed by the server's time-out; this is for those who read a byte now and then, and for many at once.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { UserId } from '../../schema/ids.ts';
import { UNREAD_ANSWERS } from './limits.ts';

interface Held {
  readonly user: UserId;
  readonly onClosed: () => void;
  bytes: number;
}

export class UnreadAnswers {
  readonly #limits: { readonly ofUser: number; readonly all: number };
  /** In the order in which they began to wait. */
  readonly #held = new Map<Socket, Held>();
  readonly #byUser = new Map<UserId, number>();
  #bytes = 0;

  constructor(limits: { readonly ofUser: number; readonly all: number } = UNREAD_ANSWERS) {
    this.#limits = limits;
  }

  /** The response was ended. `socket`: its request's, since behind others on their connection a response has none of its own. */
  hold(user: UserId, response: ServerResponse, socket: Socket): void {
    // Mostly nothing: it went out in the call that ended it.
    const bytes = response.writableFinished ? 0 : response.writableLength;
    if (bytes === 0 || socket.destroyed) return;
    const held = this.#held.get(socket) ?? this.#begin(user, socket);
    this.#add(held, bytes);
    response.once('finish', () => {
      if (this.#held.get(socket) !== held) return;
      this.#add(held, -bytes);
      if (held.bytes === 0) this.#forget(socket);
    });
    this.#makeRoom(held.user);
  }

  #begin(user: UserId, socket: Socket): Held {
    const held: Held = { user, bytes: 0, onClosed: () => this.#forget(socket) };
    this.#held.set(socket, held);
    socket.once('close', held.onClosed);
    return held;
  }

  #forget(socket: Socket): void {
    const held = this.#held.get(socket);
    if (!held) return;
    this.#held.delete(socket);
    socket.off('close', held.onClosed);
    this.#add(held, -held.bytes);
  }

  #add(held: Held, bytes: number): void {
    const ofUser = (this.#byUser.get(held.user) ?? 0) + bytes;
    held.bytes += bytes;
    this.#bytes += bytes;
    if (ofUser > 0) this.#byUser.set(held.user, ofUser);
    else this.#byUser.delete(held.user);
  }

  #makeRoom(user: UserId): void {
    const { ofUser, all } = this.#limits;
    while ((this.#byUser.get(user) ?? 0) > ofUser) this.#closeOldestOf(user);
    while (this.#bytes > all) this.#closeOldestOf(this.#whoHasMost());
  }

  #closeOldestOf(user: UserId): void {
    for (const [socket, held] of this.#held) {
      if (held.user !== user) continue;
      this.#forget(socket);
      socket.destroy();
      return;
    }
  }

  #whoHasMost(): UserId {
    let most: readonly [UserId | undefined, number] = [undefined, 0];
    for (const one of this.#byUser) if (one[1] > most[1]) most = one;
    return most[0] as UserId;
  }
}
