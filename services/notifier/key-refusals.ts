/**
 * Whether a push service has come not to know our key. One subscription that it refuses was made for another key, which is its
 * own fault, and anybody can send us such; when it refuses one after the other and takes none, the key is another than the
 * one that browsers subscribed with. No clock, no I/O.
 */

/** Different subscriptions refused in a row. */
const REFUSED_MAX = 10;
/** Push services remembered; the one that refused last stands last. */
const SERVICES_MAX = 128;

export class KeyRefusals {
  readonly #refused = new Map<string, Set<string>>();

  taken(service: string): void {
    this.#refused.delete(service);
  }

  /** It has refused so many different ones since it took one. */
  isDoubted(service: string): boolean {
    return (this.#refused.get(service)?.size ?? 0) >= REFUSED_MAX;
  }

  /** True: with this one it is an alarm. Once, until it takes one again. */
  refused(service: string, subscription: string): boolean {
    const refused = this.#refused.get(service) ?? new Set();
    this.#refused.delete(service);
    this.#refused.set(service, refused);
    const [oldest] = this.#refused.keys();
    if (oldest !== undefined && this.#refused.size > SERVICES_MAX) this.#refused.delete(oldest);
    if (refused.size >= REFUSED_MAX) return false;
    return refused.add(subscription).size === REFUSED_MAX;
  }
}
