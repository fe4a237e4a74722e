/** As much of irc-framework, which has no types, as the tests use. */
declare module 'irc-framework' {
  import { EventEmitter } from 'node:events';

  export interface MessageEvent {
    readonly nick: string;
    readonly target: string;
    readonly message: string;
    readonly type: 'privmsg' | 'notice' | 'action';
    readonly time?: number;
    readonly tags: { readonly msgid?: string };
    readonly batch?: { readonly type: string };
  }
  export class Client extends EventEmitter {
    readonly user: { readonly nick: string };
    requestCap(names: readonly string[]): void;
    connect(options: {
      readonly host: string;
      readonly port: number;
      readonly nick: string;
      readonly account?: { readonly account: string; readonly password: string };
      readonly sasl_mechanism?: string;
      readonly enable_echomessage?: boolean;
      readonly auto_reconnect?: boolean;
      readonly auto_reconnect_max_retries?: number;
      readonly auto_reconnect_max_wait?: number;
    }): void;
    raw(...line: readonly string[]): void;
    join(channel: string): void;
    say(target: string, text: string): void;
    action(target: string, text: string): void;
    who(target: string, done: (event: { readonly users: readonly { readonly nick: string }[] }) => void): void;
    quit(message?: string): void;
  }
}
