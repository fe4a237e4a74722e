/**
 * From which address a request comes. Behind proxies it is what they say, and only what proxies say that the installation
 * trusts: a client can write these headers itself.
 */
import type { IncomingMessage } from 'node:http';
import { type Address, addressOf, groupOf, isIn, type Network } from '../networks.ts';

/** Of a header, from its right: some 40 proxies in a row. */
const MAX_CHARS = 2_048;
/** A server of ours puts one of these on what it passes on for others. */
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via'];

/** One `name=value` of a hop (RFC 7239), or what ends a hop; a value without quotes may have more characters than the RFC lets it. */
const FORWARDED_PART = /[\s;]*(?:([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;\s]+))|(,))/gy;

export class Clients {
  readonly #trusted: readonly Network[];

  constructor(trusted: readonly Network[]) {
    this.#trusted = trusted;
  }

  /**
   * What limits count by: the client's address, of IPv6 its /64. Read from the right of `Forwarded` and `X-Forwarded-For`, the
   * first hop that is not trusted is the client. Where the two name different clients (a proxy writes one of them, and passes on
   * what the client wrote in the other), or one names nobody, it is the last trusted proxy.
   */
  of({ socket, headers }: IncomingMessage): string {
    const peer = addressOf(socket.remoteAddress ?? '');
    if (!peer) return '';
    if (this.#trusted.length === 0 || !isIn(this.#trusted, peer)) return groupOf(peer);
    const said = [forwardedOf(headers.forwarded), xForwardedOf(headers['x-forwarded-for'])].filter(
      (hops) => hops !== undefined,
    );
    const [one, ...others] = said.map((hops) => groupOf(this.#clientOf(hops, peer)));
    return one !== undefined && others.every((other) => other === one) ? one : groupOf(peer);
  }

  #clientOf(hops: readonly string[], peer: Address): Address {
    let client = peer;
    for (const hop of [...hops].reverse()) {
      const address = addressOf(withoutPort(hop));
      if (!address) return client;
      client = address;
      if (!isIn(this.#trusted, address)) return client;
    }
    return client;
  }
}

/** It came through a server that passes on for others. */
export const isForwarded = ({ headers }: IncomingMessage): boolean =>
  FORWARDING.some((name) => headers[name] !== undefined);

/** `192.0.2.7:4711`, `[2001:db8::1]:4711`, `[2001:db8::1]`. */
const withoutPort = (hop: string): string =>
  /^\[(.*)\](?::\w+)?$/.exec(hop)?.[1] ?? hop.replace(/^([\d.]+):\w+$/, '$1');

const xForwardedOf = (header: string | string[] | undefined): readonly string[] | undefined =>
  header === undefined
    ? undefined
    : String(header)
        .slice(-MAX_CHARS)
        .split(',')
        .map((hop) => hop.trim());

/**
 * The `for` of each hop; empty: it says none. No hops where anything else stands in the header: a quote that a client left open would
 * close at the first one of what the proxy wrote, and make that a part of the client's own hop.
 */
function forwardedOf(header: string | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined;
  const text = header.slice(header.length <= MAX_CHARS ? 0 : header.indexOf(',', header.length - MAX_CHARS) + 1);
  const hops = [''];
  let end = 0;
  for (const match of text.matchAll(FORWARDED_PART)) {
    const [part, name, quoted, plain, comma] = match;
    end = match.index + part.length;
    if (comma) hops.push('');
    else if (name?.toLowerCase() === 'for') hops[hops.length - 1] = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
  }
  return /^[\s;]*$/.test(text.slice(end)) ? hops : [];
}
