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
