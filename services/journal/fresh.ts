/**
 * Questions of one moment that share an answer, each of which is at least as new as its question: who asks while an answer is
 * on its way waits for the next one.
 */
export class Fresh<Key, Answer> {
  readonly #ask: (key: Key) => Promise<Answer>;
  readonly #asked = new Map<Key, { readonly running: Promise<Answer>; next: Promise<Answer> | undefined }>();

  constructor(ask: (key: Key) => Promise<Answer>) {
    this.#ask = ask;
  }

  ask(key: Key): Promise<Answer> {
    const asked = this.#asked.get(key);
    if (!asked) return this.#begin(key);
    const begin = () => this.#begin(key);
    asked.next ??= asked.running.then(begin, begin);
    return asked.next;
  }

  #begin(key: Key): Promise<Answer> {
    const running = this.#ask(key).finally(() => {
      const now = this.#asked.get(key);
      if (now?.running === running && !now.next) this.#asked.delete(key);
    });
    this.#asked.set(key, { running, next: undefined });
    return running;
  }
}
