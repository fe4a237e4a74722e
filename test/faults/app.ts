/** One app on one phone: comes with its inbox, stores what comes, says what it has, and goes without a word. */
import {
  acknowledgeRequestOf,
  comeBackRequestOf,
  inboxFrameOf,
  inboxRequestOf,
  readRequestOf,
  saidOf,
} from './app-documents.ts';
import { type Client, pause } from './commands.ts';
import type { GraphQLRequest } from './documents.ts';
import { type Door, Line, openSocket } from './doors.ts';
import { timedKey } from './keys.ts';
import type { AppDevice, InboxFrame, MarkSent } from './push-trace.ts';
import type { Random } from './random.ts';
import type { Recorder } from './recorder.ts';
import type { End } from './trace.ts';

/** `quick`: nearly always there, and has everything within grace. `commuter`: mostly away. `wanderer`: comes into conversations and goes. */
export type Habit = 'quick' | 'commuter' | 'wanderer';

interface Times {
  readonly on: readonly [number, number];
  readonly off: readonly [number, number];
  /** How often it says what it has. */
  readonly saysMs: number;
}
const TIMES: Readonly<Record<Habit, Times>> = {
  quick: { on: [6_000, 15_000], off: [100, 600], saysMs: 250 },
  commuter: { on: [800, 5_000], off: [3_000, 12_000], saysMs: 400 },
  wanderer: { on: [1_500, 6_000], off: [500, 4_000], saysMs: 400 },
};
const CALM_OFF_MS = 200;

export interface AppOptions {
  readonly device: AppDevice;
  readonly habit: Habit;
  /** Its user's, for messages. */
  readonly client: Client;
  readonly doors: readonly Door[];
  readonly recorder: Recorder;
  readonly random: Random;
}

export class App {
  readonly options: AppOptions;
  /** By conversation, the greatest seq that it holds. */
  readonly #held = new Map<string, number>();
  /** By conversation, what it was told that it is stored. */
  readonly #said = new Map<string, number>();
  readonly #replies = new Set<Promise<unknown>>();
  #line: Line | undefined;
  #endNow: ((end: End) => void) | undefined;
  #stopped = false;
  #calm = false;
  #running: Promise<void> | undefined;

  constructor(options: AppOptions) {
    this.options = options;
  }

  heldOf(lane: string): number {
    return this.#held.get(lane) ?? 0;
  }

  get saidAll(): boolean {
    return [...this.#held].every(([lane, seq]) => (this.#said.get(lane) ?? 0) >= seq);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** From now on it stays, and writes nothing. */
  calm(): void {
    this.#calm = true;
  }

  /** What it was writing is settled. */
  async quiet(): Promise<void> {
    await Promise.all(this.#replies);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#line?.close();
    this.#endNow?.({ kind: 'left' });
    await this.#running;
  }

  async #run(): Promise<void> {
    const { random, habit } = this.options;
    while (!this.#stopped) {
      await this.#away(random.int(...TIMES[habit].off));
      if (!this.#stopped) await this.#session();
    }
  }

  async #away(ms: number): Promise<void> {
    const end = performance.now() + ms;
    do await pause(Math.min(CALM_OFF_MS, ms));
    while (!this.#stopped && !this.#calm && performance.now() < end);
  }

  async #session(): Promise<void> {
    const { device, doors, recorder, random, habit, client } = this.options;
    const at = random.pick(doors);
    const frames: InboxFrame[] = [];
    const openedAt = performance.now();
    const line = new Line(openSocket(at, client.token));
    this.#line = line;
    const ending = new Promise<End>((resolve) => {
      this.#endNow = resolve;
      const next = (result: unknown) => {
        const frame = inboxFrameOf(result, performance.now());
        if ('error' in frame) return resolve({ kind: 'error', code: frame.error });
        frames.push(frame);
        if (frame.lane !== undefined) this.#held.set(frame.lane, Math.max(this.heldOf(frame.lane), frame.seq));
      };
      if (random.chance(0.3)) void line.ask(comeBackRequestOf(device));
      void line.follow(inboxRequestOf(device.device), { next, end: resolve });
    });
    const leaving = setTimeout(() => this.#calm || this.#endNow?.({ kind: 'left' }), random.int(...TIMES[habit].on));
    const talking = this.#speak(line, ending, random.chance(0.15));
    const end = await ending;
    clearTimeout(leaving);
    line.close();
    await talking;
    const { user, device: name } = device;
    const endedAt = performance.now();
    recorder.inbox({ user, device: name, process: at.name, openedAt, endedAt, frames, end });
  }

  /** `isMute`: it is gone before it has said anything. */
  async #speak(line: Line, ending: Promise<End>, isMute: boolean): Promise<void> {
    const { random, habit } = this.options;
    let isOver = false;
    void ending.then(() => {
      isOver = true;
    });
    while (!isOver) {
      await pause(TIMES[habit].saysMs * (0.5 + random.next()));
      if (isOver) return;
      if (isMute && !this.#calm) continue;
      const news = new Map([...this.#held].filter(([lane, seq]) => (this.#said.get(lane) ?? 0) < seq));
      if (news.size === 0) continue;
      await this.#acknowledge(line, news);
      const [lane, seq] = random.pick([...news]);
      if (random.chance(0.25)) await this.#read(line, lane, seq);
      if (random.chance(0.06) && !this.#calm && lane.startsWith('team')) this.#reply(lane);
    }
  }

  async #acknowledge(line: Line, news: ReadonlyMap<string, number>): Promise<void> {
    const { device } = this.options.device;
    const marks = [...news].map(([lane, seq]) => ({ lane, seq }));
    const answer = await this.#mark(line, 'delivered', marks, acknowledgeRequestOf(device, news));
    if (answer === 'unknown' || answer.kind !== 'stored') return;
    for (const [lane, seq] of news) this.#said.set(lane, Math.max(seq, this.#said.get(lane) ?? 0));
  }

  async #read(line: Line, lane: string, seq: number): Promise<void> {
    await this.#mark(line, 'read', [{ lane, seq }], readRequestOf(lane, seq));
  }

  async #mark(
    line: Line,
    kind: MarkSent['kind'],
    places: readonly { readonly lane: string; readonly seq: number }[],
    asked: GraphQLRequest,
  ): Promise<MarkSent['answer']> {
    const { device, recorder } = this.options;
    const sentAt = Date.now();
    const reply = await line.ask(asked);
    const answeredAt = Date.now();
    const answer = reply.kind === 'unsent' ? 'unknown' : saidOf(reply);
    const named = kind === 'delivered' ? { device: device.device } : {};
    for (const place of places)
      recorder.mark({ user: device.user, ...named, kind, ...place, sentAt, answeredAt, answer });
    return answer;
  }

  #reply(lane: string): void {
    const { client, device } = this.options;
    const text = `${device.user} has read it`;
    const work = client
      .settle({ lane, key: timedKey(), wish: { type: 'send', text } })
      .finally(() => this.#replies.delete(work));
    this.#replies.add(work);
  }
}
