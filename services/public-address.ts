/**
 * Which addresses belong to the public internet. An endpoint of Web Push is whatever a user wrote: without this rule it would
 * make the notifier speak to the house's own network. Sources: the IANA special-purpose address registries (RFC 6890).
 */
import { BlockList, isIP } from 'node:net';

const SPECIAL_IPV4 = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carriers' NAT
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // link-local, and the metadata services of clouds
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.0.2.0', 24], // documentation
  ['192.31.196.0', 24], // AS112
  ['192.52.193.0', 24], // AMT
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['192.175.48.0', 24], // AS112
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
] as const;
/** Of 2000::/3; everything outside it is not global unicast. */
const SPECIAL_IPV6 = [
  ['2001::', 23], // protocol assignments, among them Teredo, which carries an IPv4 address
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: carries an IPv4 address
  ['2620:4f:8000::', 48], // AS112
  ['3fff::', 20], // documentation
] as const;

const special = new BlockList();
for (const [network, prefix] of SPECIAL_IPV4) special.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of SPECIAL_IPV6) special.addSubnet(network, prefix, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');
/** Addresses whose last 32 bits are one of IPv4: mapped, as a socket of both families shows it, and behind NAT64 (RFC 6052). */
const embedding = new BlockList();
embedding.addSubnet('::ffff:0:0', 96, 'ipv6');
embedding.addSubnet('64:ff9b::', 96, 'ipv6');

export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4');
    case 6: {
      if (address.includes('%')) return false;
      if (embedding.check(address, 'ipv6')) return isPublicAddress(lastIpv4Of(address));
      return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
    }
    default:
      return false;
  }
}

function lastIpv4Of(address: string): string {
  // `URL` writes an IPv6 address in one form only, with the last 32 bits in hexadecimal and zeros left out.
  const tail = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::').at(-1) ?? '';
  const parts = tail === '' ? [] : tail.split(':').map((part) => Number.parseInt(part, 16));
  const [high = 0, low = 0] = [0, 0, ...parts].slice(-2);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
