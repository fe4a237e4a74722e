/**
 * The commands' door on NATS: a request on an integration's `cmd` subjects, which the server lets nobody but that integration publish
 * to, is handled and answered. The answer goes into the integration's own inbox; where the request has no reply subject (MQTT),
 * to the reply subject that its `requestId` names; and nowhere else, whatever a request says.
 */
import { headers, type Msg, type MsgHdrs } from 'nats';
import { type AppId, isName, parseAppId } from '../schema/ids.ts';
import { allAppCommands, appReply, verbCommands } from '../schema/subjects.ts';
import type { Link } from '../services/journal/link.ts';
import type { Logger } from '../services/logger.ts';
import { within } from '../services/within.ts';
import type { Reply } from './answers.ts';
import { type Commands, costOf, type HandleOptions } from './commands.ts';
import { endpointMetadata, SERVICE_DESCRIPTION } from './describe.ts';
import { Floods } from './floods.ts';
import { parseBody } from './json.ts';
import { Micro } from './micro.ts';
import { isInboxOf, SERVICE, VERBS } from './rights.ts';

export interface ServiceParts {
  /**
   * Of the bridge's own user, in the integrations' account: for requests and their answers alone. The requests are spread over them:
   * each is as much that the server may have waiting for us before it cuts a connection off.
   */
  readonly links: readonly [Link, ...Link[]];
  /** Where discovery is answered; default: on the first of them. */
  readonly discovery?: Link;
  readonly commands: Pick<Commands, 'handle' | 'idle' | 'charge'>;
  /** Told of what is over a budget. */
  readonly floods?: Floods;
  /** The package's. */
  readonly version: string;
  readonly log: Logger;
  readonly observer?: ServiceObserver;
}

/**
 * `foreign`: the reply subject is none of the integration's, so nothing was done. `silent`: it asked for no answer.
 * `disconnected`: the connection was down when there was an answer. `oversized`: the server takes no message of that size.
 * `limited`: it was so far over its budget that it is not told any more.
 */
export type Unanswered = 'foreign' | 'silent' | 'disconnected' | 'oversized' | 'limited';
export interface ServiceObserver {
  unanswered(why: Unanswered): void;
}

export interface Service {
  /** Takes nothing more, answers what is under way, within a few seconds. The link stays open. */
  stop(): Promise<void>;
}

export const DEADLINE_HEADER = 'Lanes-Deadline-Ms';
export const TRACE_HEADER = 'traceparent';
const ERROR_HEADER = 'Nats-Service-Error';
const ERROR_CODE_HEADER = 'Nats-Service-Error-Code';
const QUEUE = 'lanes';
const STOP_MS = 5_000;
/**
 * Reading a larger one takes a while: that is done one by one, each in a turn of the event loop of its own, so that whoever sends
 * many is found out before they are read. Of one over the budget it is not even read where its refusal goes.
 */
const LARGE_BYTES = 4 * 1024;
/** Of all that wait to be read; past it they are not. */
const UNREAD_BYTES = 64 * 1024 * 1024;
/** Source: W3C Trace Context, section 3.2.2. */
const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

export function openService(parts: ServiceParts): Promise<Service> {
  const { links, discovery = links[0], commands, version, log } = parts;
  const desk = new Desk(parts);
  const micro = new Micro({
    links,
    discovery,
    log,
    name: SERVICE,
    version,
    description: SERVICE_DESCRIPTION,
    metadata: { specification: 'schema/asyncapi.yaml' },
    queue: QUEUE,
    subject: allAppCommands,
    endpoints: VERBS.map((verb) => ({ name: verb, subject: verbCommands(verb), metadata: endpointMetadata(verb) })),
    onRequest: (message, at) =>
      void desk.serve(message, links[at] ?? links[0], (...counted) => micro.count(...counted)),
  });
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await within(STOP_MS, micro.stop());
    await within(STOP_MS, commands.idle());
  };
  return Promise.resolve({
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  });
}

class Desk {
  readonly #parts: ServiceParts;
  readonly #floods: Floods;
  #reading: Promise<void> = Promise.resolve();
  #unreadBytes = 0;

  constructor(parts: ServiceParts) {
    this.#parts = parts;
    this.#floods = parts.floods ?? new Floods(parts.log);
  }

  /** Never rejects: a rejection in a listener would end the process. */
  async serve(message: Msg, link: Link, count: (verb: string, tookMs: number, error?: string) => void): Promise<void> {
    const { commands, log } = this.#parts;
    const { subject, data } = message;
    try {
      const startedAt = performance.now();
      const [, , name, , verb = ''] = subject.split('.');
      const app = parseAppId(name);
      if (app === undefined) return;
      if (this.#floods.isOut(app)) return this.#unanswered('limited', app);
      // Before anything of it is read.
      const over = commands.charge(app, data.byteLength);
      if (over) return this.#over(app, message, link, over);
      if (data.byteLength > LARGE_BYTES && !(await this.#mayRead(app, data.byteLength)))
        return this.#unanswered('limited', app);
      const to = this.#addressee(app, message);
      if (to.kind === 'foreign') return this.#unanswered('foreign', app);
      const reply = await commands.handle(app, verb, data, { ...optionsOf(message.headers), isCharged: true });
      count(verb, performance.now() - startedAt, reply.errorText);
      if (to.kind === 'silent') this.#unanswered('silent', app);
      else this.#respond(app, link, to.subject, reply);
    } catch (thrown) {
      log.error({ err: thrown, subject: subject.slice(0, 256) }, 'a request is not answered');
    }
  }

  async #mayRead(app: AppId, bytes: number): Promise<boolean> {
    if (this.#unreadBytes + bytes > UNREAD_BYTES) return false;
    this.#unreadBytes += bytes;
    this.#reading = this.#reading.then(() => new Promise((turn) => setImmediate(turn)));
    await this.#reading;
    this.#unreadBytes -= bytes;
    return !this.#floods.isOut(app);
  }

  #over(app: AppId, message: Msg, link: Link, reply: Reply): void {
    const to = this.#floods.over(app, costOf(message.data.byteLength))
      ? undefined
      : this.#addressee(app, message, LARGE_BYTES);
    if (to?.kind === 'there') this.#respond(app, link, to.subject, reply);
    else this.#unanswered('limited', app);
  }

  #respond(app: AppId, link: Link, subject: string, { json, errorCode, errorText = '' }: Reply): void {
    const { log } = this.#parts;
    const errorHeaders = errorCode === undefined ? undefined : headersOf(errorCode, errorText);
    try {
      if (!link.send(subject, JSON.stringify(json), undefined, errorHeaders)) this.#unanswered('disconnected', app);
    } catch (thrown) {
      log.error({ err: thrown, app }, 'an answer that the server does not take');
      this.#unanswered('oversized', app);
    }
  }

  #addressee(app: AppId, { reply, data }: Msg, readBytes = Number.POSITIVE_INFINITY): Addressee {
    if (reply !== undefined && reply !== '' && isInboxOf(app, reply)) return { kind: 'there', subject: reply };
    const requestId = data.byteLength <= readBytes ? requestIdOf(data) : undefined;
    if (requestId !== undefined) return { kind: 'there', subject: appReply(app, requestId) };
    return reply === undefined || reply === '' ? { kind: 'silent' } : { kind: 'foreign' };
  }

  #unanswered(why: Unanswered, app: AppId): void {
    this.#parts.observer?.unanswered(why);
    this.#parts.log.debug({ app, why }, 'a request has no answer');
  }
}

type Addressee =
  | { readonly kind: 'there'; readonly subject: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'foreign' };

function requestIdOf(body: Uint8Array): string | undefined {
  try {
    const { requestId } = (parseBody(body) ?? {}) as { readonly requestId?: unknown };
    return isName(requestId) ? requestId : undefined;
  } catch {
    return undefined;
  }
}

function optionsOf(given: MsgHdrs | undefined): HandleOptions {
  if (given === undefined) return {};
  const deadline = given.get(DEADLINE_HEADER);
  const trace = given.get(TRACE_HEADER);
  return {
    ...(/^\d{1,12}$/.test(deadline) ? { deadlineMs: Number(deadline) } : {}),
    ...(TRACEPARENT.test(trace) ? { traceparent: trace } : {}),
  };
}

function headersOf(code: number, text: string): MsgHdrs {
  const all = headers();
  all.set(ERROR_CODE_HEADER, String(code));
  // One line of visible ASCII: a header has no other form.
  all.set(ERROR_HEADER, text.replace(/[^\x20-\x7e]/g, '?').slice(0, 256));
  return all;
}
