/** Networks as an operator writes them: an address, or an address and a prefix (CIDR). */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Network = readonly [Address, number];

/** One customer's network, usually: who has it has all the addresses in it. */
const IPV6_GROUP_BITS = 64;

/** Undefined: no address, of which Node and ipaddr.js each have their own idea. One of IPv4 inside IPv6 (`::ffff:…`) is taken for what it is. */
export const addressOf = (text: string): Address | undefined =>
  isIP(text) === 0 || !ipaddr.isValid(text) ? undefined : ipaddr.process(text);

/** What limits by address count by: the address, of IPv6 its /64. */
export function groupOf(address: Address): string {
  if (address instanceof ipaddr.IPv4) return address.toString();
  const bytes = address.toByteArray().map((byte, i) => (i < IPV6_GROUP_BITS / 8 ? byte : 0));
  return new ipaddr.IPv6(bytes).toString();
}

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
