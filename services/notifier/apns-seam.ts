/**
 * Between apns2 and the wire. apns2 builds the request and the token; it has no deadline, one stream a connection, a port
 * that cannot be chosen, and shows nothing of an answer but its reason. Its public `client` is the seam.
 */
import type { ApnsClient } from 'apns2';
import type { Patience } from '../patience.ts';
import type { Answer, Silence, Wire } from '../wire.ts';

interface ApnsRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
interface Call {
  readonly patience: Patience;
  heard: Answer | Silence | undefined;
}

const NOT_SENT: Silence = { kind: 'silence', code: 'NOT_SENT' };

export class ApnsSeam {
  readonly #wire: Wire;
  /** Whose request apns2 is making at this moment. */
  #calling: Call | undefined;
  /** The `authorization` that was used last. */
  #latest: string | undefined;

  constructor(client: ApnsClient, wire: Wire) {
    this.#wire = wire;
    // Its own pool has no connection yet.
    client.client.destroy().catch(() => {});
    Object.assign(client, {
      client: { request: (request: ApnsRequest) => this.#request(request), close: () => wire.stop() },
    });
  }

  /** `send` has to call apns2's own `send`, which makes its request before it waits for anything. What the host answered. */
  async send(patience: Patience, send: () => Promise<unknown>): Promise<Answer | Silence> {
    const call: Call = { patience, heard: undefined };
    this.#calling = call;
    const sending = send();
    this.#calling = undefined;
    try {
      await sending;
    } catch (error) {
      // It rejects for every answer but 200; what was heard says more.
      if (call.heard === undefined) throw error;
    }
    return call.heard ?? NOT_SENT;
  }

  stop(): Promise<void> {
    return this.#wire.stop();
  }

  async #request(request: ApnsRequest) {
    const call = this.#calling;
    if (call === undefined) throw new Error('a request that nobody sent');
    const { authorization } = request.headers;
    this.#latest = authorization;
    const heard = await this.#wire.post(request, call.patience);
    call.heard = heard;
    if (heard.kind === 'silence') throw new Error('no answer');
    // apns2 forgets its token at ExpiredProviderToken. Of what was sent with it before, it is to hear that only once: each
    // time it would sign another token, and Apple refuses who does so more than every 20 minutes.
    const stale = authorization !== this.#latest;
    if (!stale && heard.body.includes('ExpiredProviderToken')) this.#latest = undefined;
    return { statusCode: heard.status, body: { json: async () => (stale ? {} : (JSON.parse(heard.body) as unknown)) } };
  }
}
