/** Networks as an operator writes them: an address, or an address and a prefix (CIDR). */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Network = readonly [Address, number];

/** Undefined: no address, of which Node and ipaddr.js each have their own idea. One of IPv4 inside IPv6 (`::ffff:…`) is taken for what it is. */
export const addressOf = (text: string): Address | undefined =>
  isIP(text) === 0 || !ipaddr.isValid(text) ? undefined : ipaddr.process(text);

/** `10.0.0.0/8`, `fd00::/8`, `192.0.2.7`. Undefined: none. */
export function networkOf(text: string): Network | undefined {
  const [address = '', prefix, ...more] = text.split('/');
  const base = addressOf(address);
  if (!base || more.length > 0 || (prefix !== undefined && !/^\d{1,3}$/.test(prefix))) return undefined;
  const bits = base.toByteArray().length * 8;
  const length = prefix === undefined ? bits : Number(prefix);
  return length <= bits ? [base, length] : undefined;
}

export const isIn = (networks: readonly Network[], address: Address): boolean =>
  networks.some(([base, length]) => base.kind() === address.kind() && address.match(base, length));
