/**
 * Which addresses belong to the public internet. An endpoint of Web Push is whatever a user wrote: without this rule it would
 * make the notifier speak to the house's own network. Sources: the IANA special-purpose address registries (RFC 6890).
 */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Everything of IPv6 outside it is not global unicast. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');
/** The last 32 bits are an address of IPv4 (RFC 6052). */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

export function isPublicAddress(address: string): boolean {
  // The library reads more forms than there are addresses, as old C libraries do.
  if (isIP(address) === 0 || address.includes('%')) return false;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.range() === 'unicast';
  if (parsed.match(NAT64)) return new ipaddr.IPv4(parsed.toByteArray().slice(12)).range() === 'unicast';
  return parsed.match(GLOBAL_UNICAST) && parsed.range() === 'unicast';
}
