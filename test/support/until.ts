/** How tests wait: for a fact, which is asked for again and again. Nowhere else is there a loop that does. */

const AGAIN_MS = 10;

/** Looks until it is so, or throws with what it saw last. */
export async function until<T>(look: () => Promise<T> | T, isSo: (seen: T) => boolean, withinMs = 20_000): Promise<T> {
  const end = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (performance.now() > end) throw new Error(`not so after ${withinMs} ms: ${JSON.stringify(seen)?.slice(0, 300)}`);
    await new Promise((wake) => setTimeout(wake, AGAIN_MS));
  }
}

/** The clock's time, as soon as it is later than now: what happens afterwards has another time than what happened before. */
export async function nextMoment(): Promise<number> {
  const now = Date.now();
  return until(Date.now, (then) => then > now);
}
