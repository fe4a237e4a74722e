/** From a connection to a user: the token comes as the password of SASL PLAIN, or by PASS; the api says whose it is. */
import { z } from 'zod';
import type { Millis, UserId } from '../../schema/ids.ts';
import { Api } from './api.ts';
import type { Capabilities } from './capabilities.ts';
import { ME, meShape } from './documents.ts';
import type { Line } from './line.ts';
import { maskOf, needsMore, reply } from './replies.ts';

export interface Identity {
  readonly user: UserId;
  readonly api: Api;
  readonly expiresAt: Millis;
}
export interface Step {
  readonly lines: readonly Line[];
  /** Registered. */
  readonly identity?: Identity;
  /** Why the connection ends. */
  readonly end?: string;
}

/** A token of 8,192 characters, names, and base64 around it. */
const MAX_SASL_CHARS = 12_000;
/** Source: IRCv3 sasl. A shorter part is the last one. */
const SASL_PART = 400;
const MAX_TRIES = 3;

export class Registration {
  readonly #url: string;
  readonly #capabilities: Capabilities;
  readonly #address: string;
  #password: string | undefined;
  #nick: string | undefined;
  #hasUser = false;
  /** What has come of a SASL PLAIN message; undefined: none was begun. */
  #sasl: string | undefined;
  #tries = 0;
  #identity: Identity | undefined;

  /** `url`: the api's. `address`: the client's. */
  constructor(url: string, capabilities: Capabilities, address: string) {
    this.#url = url;
    this.#address = address;
    this.#capabilities = capabilities;
  }

  async take({ command, params }: Line): Promise<Step> {
    const [first] = params;
    switch (command) {
      case 'CAP':
        return this.#complete(this.#capabilities.answer(params, '*'));
      case 'PASS':
        if (first === undefined) return { lines: [needsMore('*', command)] };
        this.#password = first;
        return { lines: [] };
      case 'NICK':
        if (first === undefined || first === '') return { lines: [reply('431', '*', 'Which nick?')] };
        this.#nick = first;
        return this.#complete();
      case 'USER':
        this.#hasUser = true;
        return this.#complete();
      case 'AUTHENTICATE':
        return this.#authenticate(first ?? '');
      default:
        return { lines: [reply('451', '*', 'Register first: NICK, USER, and a token as SASL PLAIN password or PASS')] };
    }
  }

  /** The connection ends before it is registered. */
  close(): void {
    this.#identity?.api.close();
  }

  async #complete(lines: readonly Line[] = []): Promise<Step> {
    if (this.#nick === undefined || !this.#hasUser || this.#capabilities.negotiating) return { lines };
    if (!this.#identity) {
      const end = 'A token is needed, as SASL PLAIN password or PASS';
      if (this.#password === undefined) return { lines: [...lines, reply('464', '*', end)], end };
      const known = await identify(this.#url, this.#password, this.#address);
      if (known.kind === 'unknown') return { lines: [...lines, reply('464', '*', known.message)], end: known.message };
      this.#identity = known.identity;
    }
    return { lines, identity: this.#identity };
  }

  async #authenticate(param: string): Promise<Step> {
    if (this.#identity) return { lines: [reply('907', '*', 'You have authenticated already')] };
    if (param === '*') {
      this.#sasl = undefined;
      return { lines: [reply('906', '*', 'SASL was given up')] };
    }
    if (this.#sasl === undefined) {
      if (param.toUpperCase() !== 'PLAIN') return { lines: [reply('908', '*', 'PLAIN', 'is what there is'), failed()] };
      this.#sasl = '';
      return { lines: [{ command: 'AUTHENTICATE', params: ['+'] }] };
    }
    const part = param === '+' ? '' : param;
    if (part.length > SASL_PART || this.#sasl.length + part.length > MAX_SASL_CHARS) {
      this.#sasl = undefined;
      return { lines: [reply('905', '*', 'That is too long')] };
    }
    this.#sasl += part;
    if (part.length === SASL_PART) return { lines: [] };
    const said = this.#sasl;
    this.#sasl = undefined;
    return this.#identified(said);
  }

  async #identified(base64: string): Promise<Step> {
    const [as, , token] = Buffer.from(base64, 'base64').toString('utf8').split('\0');
    const known = await identify(this.#url, token ?? '', this.#address);
    if (known.kind === 'known' && (as === '' || as === known.identity.user)) {
      const { user } = known.identity;
      this.#identity = known.identity;
      const lines = [reply('900', '*', maskOf(user), user, `You are ${user}`), reply('903', '*', 'SASL has succeeded')];
      return { lines };
    }
    if (known.kind === 'known') known.identity.api.close();
    const message = known.kind === 'known' ? 'A token is for its own user alone.' : known.message;
    this.#tries++;
    return { lines: [failed(message)], ...(this.#tries < MAX_TRIES ? {} : { end: message }) };
  }
}

const failed = (message = 'SASL has failed') => reply('904', '*', message);

type Known =
  | { readonly kind: 'known'; readonly identity: Identity }
  | { readonly kind: 'unknown'; readonly message: string };

/** The form that a header takes; anything else is no token. */
const TOKEN = /^[\w-]{1,8000}\.[\w-]{1,8000}\.[\w-]{1,8000}$/;

async function identify(url: string, token: string, address: string): Promise<Known> {
  if (!TOKEN.test(token)) return { kind: 'unknown', message: 'The password is not a token.' };
  const api = new Api(url, token, address);
  const answer = await api.ask(ME, {}, meShape);
  if (answer.kind === 'data')
    return { kind: 'known', identity: { user: answer.data.me, api, expiresAt: expiryOf(token) } };
  api.close();
  return { kind: 'unknown', message: answer.message };
}

/** When a token ends that the api has found good. */
function expiryOf(token: string): Millis {
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  return z.object({ exp: z.number() }).parse(claims).exp * 1000;
}
