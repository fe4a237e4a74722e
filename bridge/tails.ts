/** The last message of each subject that this process wrote to lately: a bounded cache, checked by every append. */
import type { Tail } from './app-writer.ts';

export class Tails {
  readonly #most: number;
  /** In order of use, the longest unused first. */
  readonly #known = new Map<string, Tail & { readonly stream: number }>();

  constructor(most: number) {
    this.#most = most;
  }

  /** `stream`: what was known of another stream in its place is not known of this one. */
  get(subject: string, stream: number): Tail | undefined {
    const known = this.#known.get(subject);
    return known?.stream === stream ? known : undefined;
  }

  keep(subject: string, stream: number, { seq, at }: Tail): void {
    this.#known.delete(subject);
    this.#known.set(subject, { seq, at, stream });
    if (this.#known.size <= this.#most) return;
    const [longestUnused] = this.#known.keys();
    if (longestUnused !== undefined) this.#known.delete(longestUnused);
  }

  forget(subject: string): void {
    this.#known.delete(subject);
  }
}
