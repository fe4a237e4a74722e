/** The part of node-gcm 1.1.4 that is used; it has no types of its own. */
declare module 'node-gcm' {
  export class Message {
    constructor(raw: {
      readonly collapseKey?: string;
      readonly priority?: string;
      readonly timeToLive?: number;
      readonly data?: Readonly<Record<string, string>>;
    });
  }
  export class Sender {
    /** `options` go to axios as they are; `uri` is where it sends. */
    constructor(key: string, options: Readonly<Record<string, unknown>> & { readonly uri: string });
    /** `error`: a bare number (an HTTP status), an error of axios, or a plain object. */
    sendNoRetry(message: Message, recipient: string, callback: (error: unknown, response: unknown) => void): void;
  }
}
