/** The load of reading: readers that lose their stream and come back with their position, and readers of pages. */
import { pause } from './commands.ts';
import { type Cursors, type PageArguments, pageOf, pageRequestOf } from './documents.ts';
import { type Door, post, tokenOf } from './doors.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import { followByEvents, followBySocket, type Stream } from './streams.ts';
import type { End, Frame, PageRead, Session } from './trace.ts';

export interface ReaderOptions {
  readonly name: string;
  readonly user: string;
  readonly lane: string;
  readonly door: Session['door'];
  /** Stops reading its socket now and then. */
  readonly dozes?: boolean;
  /** Begins with what comes only, not with the first event. */
  readonly fromNow?: boolean;
  readonly secret: string;
  readonly doors: readonly Door[];
  readonly recorder: Recorder;
  readonly random: Random;
}

const FIRST_WAIT_MS = 30;
const LONGEST_WAIT_MS = 1_000;
const PAGE = 100;

/** One client of one lane: a position, and one stream at a time. */
export class Reader {
  readonly options: ReaderOptions;
  readonly #token: string;
  #position: number | null;
  #stream: Stream | undefined;
  #endNow: ((end: End) => void) | undefined;
  #stopped = false;
  #calm = false;
  #running: Promise<void> | undefined;

  constructor(options: ReaderOptions) {
    this.options = options;
    this.#token = tokenOf(options.secret, options.user);
    this.#position = options.fromNow ? null : 0;
  }

  get position(): number {
    return this.#position ?? 0;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** From now on it keeps its stream for as long as the stream lasts. */
  calm(): void {
    this.#calm = true;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stream?.drop();
    this.#endNow?.({ kind: 'left' });
    await this.#running;
  }

  async #run(): Promise<void> {
    const { random } = this.options;
    let wait = FIRST_WAIT_MS;
    while (!this.#stopped) {
      const frames = await this.#session();
      wait = frames > 0 ? FIRST_WAIT_MS : Math.min(2 * wait, LONGEST_WAIT_MS);
      if (!this.#stopped) await pause(wait * (0.5 + random.next() / 2));
    }
  }

  /** One stream from its opening to its end. Answers how many frames it brought. */
  async #session(): Promise<number> {
    const { name, user, lane, door, doors, recorder, random, dozes } = this.options;
    const at = random.pick(doors);
    const after = this.#position;
    const frames: Frame[] = [];
    const fills: Promise<void>[] = [];
    const openedAt = performance.now();
    const timers: NodeJS.Timeout[] = [];
    const end = await new Promise<End>((resolve) => {
      this.#endNow = resolve;
      const frame = (one: Frame) => {
        const had = this.position;
        frames.push(one);
        this.#position = one.type === 'Reset' ? one.seq : Math.max(had, one.seq);
        if (one.type === 'Reset') fills.push(this.#fill(had, one.seq));
      };
      const follow = door === 'ws' ? followBySocket : followByEvents;
      const stream = follow({ door: at, token: this.#token, lane, after }, { frame, end: resolve });
      this.#stream = stream;
      if (dozes) timers.push(...this.#doze(stream));
      const leave = () => {
        if (this.#calm) return;
        stream.drop();
        resolve({ kind: 'left' });
      };
      timers.push(setTimeout(leave, random.int(500, 12_000)));
    });
    for (const timer of timers) clearTimeout(timer);
    this.#stream?.drop();
    const endedAt = performance.now();
    recorder.session({ reader: name, user, lane, process: at.name, door, after, openedAt, endedAt, frames, end });
    await Promise.all(fills);
    return frames.length;
  }

  #doze(stream: Stream): NodeJS.Timeout[] {
    const from = this.options.random.int(100, 3_000);
    return [setTimeout(() => stream.pause(), from), setTimeout(() => stream.resume(), from + 2_500)];
  }

  /** After a reset: what lies between comes by pages, from the newest back. */
  async #fill(from: number, to: number): Promise<void> {
    const { user, lane, doors, recorder, random, name } = this.options;
    let before: string | undefined;
    for (let reached = to + 1; reached > from + 1 && !this.#stopped; ) {
      const ask = { last: PAGE, ...(before === undefined ? {} : { before }) };
      const read = await readPage(
        { user, lane, token: this.#token, door: random.pick(doors), kind: 'events', ask, reader: name },
        recorder,
      );
      if (!read) {
        await pause(200);
        continue;
      }
      const [first] = read.page?.page?.nodes ?? [];
      if (!first || read.cursors.startCursor === null) return;
      reached = first.seq;
      before = read.cursors.startCursor;
    }
  }
}

interface PageAsk {
  readonly user: string;
  readonly lane: string;
  readonly token: string;
  readonly door: Door;
  readonly kind: PageRead['kind'];
  readonly ask: PageArguments;
  readonly reader?: string;
}

const PASSING = new Set(['UNAVAILABLE', 'RATE_LIMITED']);

/** Undefined: there was no answer just now. */
async function readPage(
  { user, lane, token, door, kind, ask, reader }: PageAsk,
  recorder: Recorder,
): Promise<{ page: PageRead; cursors: Cursors } | undefined> {
  const askedAt = performance.now();
  const answer = pageOf(await post(door, token, pageRequestOf(lane, kind, ask)), kind);
  const answeredAt = performance.now();
  if (answer.kind === 'lost') return undefined;
  if (answer.kind === 'error') {
    recorder.count(`page ${answer.code}`);
    if (!PASSING.has(answer.code)) recorder.surprise(door.name, `answered a page with ${answer.code}`);
    return undefined;
  }
  const { page: content, cursors } = answer;
  const named = reader === undefined ? {} : { reader };
  const page = { ...named, user, lane, process: door.name, kind, askedAt, answeredAt, page: content };
  recorder.page(page);
  return { page, cursors };
}

export interface PageReaderOptions {
  readonly users: readonly string[];
  readonly lanes: readonly string[];
  readonly secret: string;
  readonly doors: readonly Door[];
  readonly recorder: Recorder;
  readonly random: Random;
}

/** Reads pages of all kinds, by all users, until it is told to stop. */
export async function readPages(options: PageReaderOptions, signal: AbortSignal): Promise<void> {
  const { users, lanes, secret, doors, recorder, random } = options;
  while (!signal.aborted) {
    const user = random.pick(users);
    const ask = {
      user,
      lane: random.pick(lanes),
      token: tokenOf(secret, user),
      kind: random.pick(['messages', 'events'] as const),
    };
    let wanted = argumentsOf(random);
    for (let n = random.chance(0.2) ? 5 : 1; n > 0 && !signal.aborted; n--) {
      const read = await readPage({ ...ask, door: random.pick(doors), ask: wanted }, recorder);
      const cursor = read?.cursors.startCursor;
      if (!cursor) break;
      wanted = { last: random.int(1, PAGE), before: cursor };
    }
    await pause(random.int(50, 300));
  }
}

function argumentsOf(random: Random): PageArguments {
  const count = random.int(1, PAGE);
  return random.pick([{}, { last: count }, { first: count }, { aroundSeq: random.int(1, 3_000), last: count }]);
}
