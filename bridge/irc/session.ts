/** A registered user at one client: what it may ask, and the channels that it has open. */
import type { LaneId, UserId } from '../../schema/ids.ts';
import type { Api, Trouble } from './api.ts';
import type { Capabilities } from './capabilities.ts';
import { Channel, partLine } from './channel.ts';
import { parseAsk, readAsk } from './chathistory.ts';
import { readConversation } from './directory.ts';
import type { Limits } from './limits.ts';
import { cutTo, type Line } from './line.ts';
import { type Asker, look, namesOf, smallAnswer, whois } from './look.ts';
import type { IrcMetrics } from './metrics.ts';
import type { Lost, Outbox, Send } from './outbox.ts';
import { type Message, readMessages } from './past.ts';
import * as say from './replies.ts';
import { laneOf, messageLines, saidOf } from './translate.ts';

export interface SessionParts {
  readonly user: UserId;
  readonly api: Api;
  readonly capabilities: Capabilities;
  readonly limits: Limits;
  readonly metrics: IrcMetrics;
  write(lines: readonly Line[]): void;
  end(why: string): void;
}

/** `later`: the answer comes by itself. `written`: what is to be done when the lines are. */
type Response = { readonly lines: readonly Line[]; readonly written?: () => void } | 'later';
const only = (...lines: readonly Line[]): Response => ({ lines });

const MAX_LABEL_CHARS = 64;

export class Session {
  readonly #parts: SessionParts;
  readonly #channels = new Map<LaneId, Channel>();
  /** Of open channels, and of those closed by now whose messages are still on their way. */
  readonly #outboxes = new Set<Outbox>();
  #batches = 0;
  #isParked = false;
  #isClosed = false;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get #me(): UserId {
    return this.#parts.user;
  }

  get #asker(): Asker {
    const { user, api } = this.#parts;
    return { user, api, troubled: (command, target, trouble) => this.#troubled(command, target, trouble) };
  }

  get channels(): number {
    return this.#channels.size;
  }

  welcome(): void {
    this.#parts.write(say.welcome(this.#me));
  }

  async take(line: Line): Promise<void> {
    const label = this.#labelOf(line);
    const response = await this.#answer(line, label);
    if (response === 'later') return;
    this.#respond(response.lines, label);
    response.written?.();
  }

  park(): void {
    this.#parts.metrics.parks.inc();
    this.#isParked = true;
    for (const channel of this.#channels.values()) channel.park();
  }

  resume(): void {
    this.#isParked = false;
    for (const channel of this.#channels.values()) channel.resume();
  }

  /** What is on its way is not tried for longer than so. */
  hurry(withinMs: number): void {
    for (const outbox of this.#outboxes) outbox.hurry(withinMs);
  }

  /** Settles when what was said is in its lanes, or its time is over. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const channel of this.#channels.values()) this.#leave(channel);
    await Promise.all([...this.#outboxes].map((outbox) => outbox.idle()));
    this.#parts.api.close();
  }

  #labelOf({ tags }: Line): string | undefined {
    const { capabilities } = this.#parts;
    const label = tags?.get('label');
    if (!label || label.length > MAX_LABEL_CHARS || !capabilities.has('labeled-response')) return undefined;
    return capabilities.has('batch') ? label : undefined;
  }

  #respond(lines: readonly Line[], label: string | undefined): void {
    this.#parts.write(label === undefined ? lines : say.labeled(label, this.#newBatch(), lines));
  }

  #newBatch(): string {
    this.#batches++;
    return `b${this.#batches}`;
  }

  async #answer({ command, params }: Line, label: string | undefined): Promise<Response> {
    const [first = ''] = params;
    switch (command) {
      case 'PRIVMSG':
      case 'NOTICE':
        return this.#say(command, params, label);
      case 'JOIN':
        return first === '' ? only(say.needsMore(this.#me, command)) : this.#join(first.split(','));
      case 'PART':
        return first === ''
          ? only(say.needsMore(this.#me, command))
          : only(...first.split(',').map((name) => this.#part(name)));
      case 'CHATHISTORY':
        return only(...(await this.#history(params)));
      case 'NAMES':
      case 'WHO':
      case 'TOPIC':
      case 'LIST':
        return only(...(await look(this.#asker, command, params)));
      case 'WHOIS':
        return only(...whois(this.#me, params.at(-1) ?? this.#me));
      case 'CAP':
        return only(...this.#parts.capabilities.answer(params, this.#me));
      case 'TAGMSG':
        return only();
      default:
        return only(smallAnswer(this.#me, command, params));
    }
  }

  #say(command: string, [target = '', param]: readonly string[], label: string | undefined): Response {
    const answer = (numeric: string, ...rest: string[]) => only(say.reply(numeric, this.#me, ...rest));
    if (target === '') return answer('411', 'To whom?');
    if (target.includes(',')) return answer('407', target, 'One channel at a time');
    const lane = laneOf(target);
    if (!target.startsWith('#'))
      return answer('401', target, 'Messages go to channels: /list shows direct conversations, too');
    const channel = lane && this.#channels.get(lane);
    if (!channel) return answer('404', target, 'Join it first');
    const said = saidOf(param ?? '');
    switch (said.kind) {
      case 'nothing':
        return answer('412', 'There is nothing to say');
      case 'ctcp':
        return answer('404', target, 'Commands to other clients are not carried');
      case 'text':
        if (channel.outbox.put(said.text, label)) return 'later';
        return only(
          this.#complaint(command, 'RATE_LIMITED', target, 'Not sent: too many messages of yours are on their way'),
        );
      default:
        return said satisfies never;
    }
  }

  async #join(names: readonly string[]): Promise<Response> {
    const lines: Line[] = [];
    const opened: Channel[] = [];
    for (const name of names) {
      const lane = laneOf(name);
      if (lane === undefined) lines.push(say.noSuchChannel(this.#me, name));
      else if (this.#channels.has(lane)) continue;
      else if (this.#channels.size >= say.MAX_CHANNELS)
        lines.push(say.reply('405', this.#me, name, `${say.MAX_CHANNELS} channels are open`));
      else if (this.#hasTwin(lane))
        lines.push(say.reply('437', this.#me, name, 'A channel whose name differs in capitals alone is open'));
      else {
        const { channel, shown } = await this.#open(lane);
        lines.push(...shown);
        if (channel) opened.push(channel);
      }
    }
    const begin = () => {
      for (const channel of opened) void this.#begin(channel);
    };
    return { lines, written: begin };
  }

  /** Clients take names that differ in capitals alone for one; here they are two. */
  #hasTwin(lane: LaneId): boolean {
    return [...this.#channels.keys()].some((open) => open.toLowerCase() === lane.toLowerCase());
  }

  async #open(lane: LaneId): Promise<{ readonly channel?: Channel; readonly shown: readonly Line[] }> {
    const name = say.channelOf(lane);
    const answer = await readConversation(this.#parts.api, lane);
    if (answer.kind === 'trouble') return { shown: [say.reply('437', this.#me, name, answer.message)] };
    const conversation = answer.data;
    if (!conversation) return { shown: [say.noSuchChannel(this.#me, name)] };
    const shown: Line[] = [{ prefix: say.maskOf(this.#me), command: 'JOIN', params: [name] }];
    if (say.topicOf(conversation) !== null) shown.push(say.topic(this.#me, conversation));
    shown.push(...namesOf(this.#me, conversation));
    return { channel: this.#follow(lane, conversation.lastSeq), shown };
  }

  /** What is past is shown before what comes, and holds up nothing else. */
  async #begin(channel: Channel): Promise<void> {
    const { api, capabilities, limits, write } = this.#parts;
    const { lane, position } = channel;
    // The client may have gone while the api was asked.
    if (this.#isClosed) {
      this.#leave(channel);
      return;
    }
    // A client that can ask for the past asks for what it lacks.
    if (!capabilities.has('draft/chathistory')) {
      const past = await readMessages(api, lane, { limit: limits.shownAtJoin, end: 'newest' });
      if (channel.isClosed) return;
      if (past.kind === 'trouble')
        write([this.#complaint('JOIN', past.code, say.channelOf(lane), `The past cannot be shown: ${past.message}`)]);
      else {
        // What came since is brought by the stream.
        const messages = (past.data ?? []).filter(({ seq }) => seq <= position);
        if (messages.length > 0) write(this.#past(lane, messages));
      }
    }
    channel.open();
    if (this.#isParked) channel.park();
  }

  #follow(lane: LaneId, position: number): Channel {
    const { api, limits, write, end } = this.#parts;
    const channel = new Channel(
      {
        ...{ api, lane, write, me: this.#me, withinMs: limits.sendWithinMs },
        onOwn: (send, lines) => this.#own(send, lines),
        onSettled: (send, lost) => this.#settled(lane, send, lost),
        onEnd: () => this.#leave(channel),
        onToken: (reason) =>
          end(reason === 'token-expired' ? 'Your token has expired' : 'Your token is no good any more'),
      },
      position,
    );
    this.#channels.set(lane, channel);
    this.#outboxes.add(channel.outbox);
    return channel;
  }

  #own({ label }: Send, lines: readonly Line[]): void {
    const shown = this.#parts.capabilities.has('echo-message') ? lines : [];
    if (shown.length > 0 || label !== undefined) this.#respond(shown, label);
  }

  #settled(lane: LaneId, { text, label }: Send, lost: Lost | undefined): void {
    this.#parts.metrics.sends.inc({ outcome: lost === undefined ? 'accepted' : lost.unknown ? 'unknown' : lost.code });
    if (!lost) return;
    const what = lost.unknown ? 'It is not known whether this was accepted, and it may come up later' : 'Not accepted';
    const text60 = cutTo(text, 60);
    const whole = `${what}: “${text60}${text60 === text ? '' : '…'}” (${lost.message})`;
    this.#respond([this.#complaint('PRIVMSG', lost.code, say.channelOf(lane), whole)], label);
  }

  #part(name: string): Line {
    const lane = laneOf(name);
    const channel = lane && this.#channels.get(lane);
    if (!channel) return say.reply('442', this.#me, name, 'You have not opened it');
    this.#leave(channel);
    return partLine(this.#me, lane);
  }

  #leave(channel: Channel): void {
    channel.close();
    this.#channels.delete(channel.lane);
    void channel.outbox.idle().then(() => this.#outboxes.delete(channel.outbox));
  }

  async #history(params: readonly string[]): Promise<readonly Line[]> {
    const ask = parseAsk(params);
    if (ask.kind === 'bad') return [ask.line];
    const found = await readAsk(this.#parts.api, ask);
    switch (found.kind) {
      case 'failed':
        return [found.line];
      case 'messages':
        return this.#past(found.lane, found.messages);
      case 'targets':
        return this.#batch('draft/chathistory-targets', [], found.lines);
      default:
        return found satisfies never;
    }
  }

  #past(lane: LaneId, messages: readonly Message[]): readonly Line[] {
    const stamped = !this.#parts.capabilities.has('server-time');
    const lines = messages.flatMap((message) => messageLines(lane, message, { stamped }));
    return this.#batch('chathistory', [say.channelOf(lane)], lines);
  }

  #batch(type: string, params: readonly string[], lines: readonly Line[]): readonly Line[] {
    return this.#parts.capabilities.has('batch') ? say.batched(this.#newBatch(), type, params, lines) : lines;
  }

  #troubled(command: string, target: string, { code, message }: Trouble): Line {
    return this.#complaint(command, code, target, message);
  }

  #complaint(command: string, code: string, target: string, message: string): Line {
    if (this.#parts.capabilities.has('standard-replies')) return say.fail(command, code, target, message);
    return say.say(target.startsWith('#') ? target : this.#me, message);
  }
}
