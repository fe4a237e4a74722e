/**
 * Connections to hosts that somebody else named (Web Push, webhooks), so: https only, addresses of the public internet only,
 * whatever their names resolve to at that moment, and no redirects. Each host has connections of its own.
 */
import { X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { ConfigError } from './config.ts';
import { isPublicAddress } from './public-address.ts';
import { Wire } from './wire.ts';

export interface ForeignHostsOptions {
  readonly trust?: SecureContext | undefined;
  /** Which addresses may be connected to. Only tests give it, to reach servers on their own machine. */
  readonly allows?: ((address: string) => boolean) | undefined;
  /** The addresses of a name. Only tests give it. */
  readonly resolve?: ((hostname: string) => Promise<readonly string[]>) | undefined;
  /** At most so many connections to one host, and requests on one of HTTP/2. */
  readonly connections: number;
  readonly streams: number;
}

/** Hosts with connections kept; the one used last stands last. */
const WIRES = 128;
const URL_CHARS = 4096;

export class ForeignHosts {
  readonly #options: ForeignHostsOptions;
  readonly #wires = new Map<string, Wire>();
  readonly #leaving = new Set<Promise<void>>();

  constructor(options: ForeignHostsOptions) {
    this.#options = options;
  }

  /** For the next request only: a host that was not used for long is left. */
  wireOf(origin: string): Wire {
    let wire = this.#wires.get(origin);
    if (wire === undefined) {
      const [oldest] = this.#wires;
      if (oldest !== undefined && this.#wires.size >= WIRES) this.#leave(...oldest);
      const { trust, connections, streams, allows = isPublicAddress, resolve = addressesOf } = this.#options;
      const protocols = ['h2', 'http/1.1'] as const;
      wire = new Wire({ origin, trust, protocols, streams, connections, allows, resolve });
    } else this.#wires.delete(origin);
    this.#wires.set(origin, wire);
    return wire;
  }

  async stop(): Promise<void> {
    await Promise.all([...[...this.#wires.values()].map((wire) => wire.stop()), ...this.#leaving]);
  }

  /** What is under way on it may end. */
  #leave(origin: string, wire: Wire): void {
    this.#wires.delete(origin);
    const left = wire.stop().finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }
}

/** Undefined: not an https URL, or one that carries credentials. */
export function foreignUrlOf(text: string): URL | undefined {
  if (text.length > URL_CHARS || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'https:' && url.username === '' && url.password === '' ? url : undefined;
}

/**
 * Asked over the network and not of the system: `getaddrinfo` holds one of the process's four threads for names that do not
 * answer, and its answers may come from files of this machine.
 */
async function addressesOf(hostname: string): Promise<readonly string[]> {
  if (isIP(hostname) !== 0) return [hostname];
  const resolver = new Resolver({ timeout: 1_500, tries: 2 });
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length === 0) throw v4.status === 'rejected' ? v4.reason : new Error('no address');
  return found;
}

/** Node's authorities and the one in the file. Throws ConfigError, which names the setting. */
export function readTrust(setting: string, file: string): SecureContext {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`${setting}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
  try {
    new X509Certificate(pem);
  } catch {
    throw new ConfigError(`${setting}: ${file} is not a certificate in PEM`);
  }
  return createSecureContext({ ca: [...rootCertificates, pem] });
}
