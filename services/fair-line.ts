/** Who waits for a place, by what each waits for: those of one key in the order in which they came, and the keys take turns. */
export class FairLine<Key, T> {
  /** The key whose turn comes next stands first. None is empty. */
  readonly #byKey = new Map<Key, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(key: Key, one: T): void {
    const some = this.#byKey.get(key);
    if (some) some.add(one);
    else this.#byKey.set(key, new Set([one]));
    this.#size++;
  }

  /** False: it did not wait. */
  delete(key: Key, one: T): boolean {
    const some = this.#byKey.get(key);
    if (!some?.delete(one)) return false;
    if (some.size === 0) this.#byKey.delete(key);
    this.#size--;
    return true;
  }

  /** Takes out the last one of the key that has most. Undefined: with one more, `key` would have as many. */
  makeRoom(key: Key): T | undefined {
    let most = (this.#byKey.get(key)?.size ?? 0) + 1;
    let crowd: Key | undefined;
    for (const [other, { size }] of this.#byKey)
      if (size > most) {
        most = size;
        crowd = other;
      }
    const last = crowd === undefined ? undefined : [...(this.#byKey.get(crowd) ?? [])].at(-1);
    if (crowd !== undefined && last !== undefined) this.delete(crowd, last);
    return last;
  }

  /** Takes out whoever is next. */
  next(): T | undefined {
    for (const [key, some] of this.#byKey)
      for (const one of some) {
        this.delete(key, one);
        // Whoever had a turn goes behind the others.
        if (this.#byKey.delete(key)) this.#byKey.set(key, some);
        return one;
      }
    return undefined;
  }
}
