/** IRCv3 capabilities: which there are, and which one client has asked for. */
import type { Line } from './line.ts';
import { reply, SERVER } from './replies.ts';

/** With what `CAP LS 302` says of each. */
const OFFERED = {
  batch: '',
  'draft/chathistory': '',
  'echo-message': '',
  'labeled-response': '',
  'message-tags': '',
  sasl: 'PLAIN',
  'server-time': '',
  'standard-replies': '',
} as const;
export type Capability = keyof typeof OFFERED;
const NAMES = Object.keys(OFFERED) as Capability[];
const isOffered = (name: string): name is Capability => Object.hasOwn(OFFERED, name);

/** What a tag is sent for. A tag that is not here is not sent. */
const NEEDED: Readonly<Record<string, Capability>> = {
  time: 'server-time',
  msgid: 'message-tags',
  batch: 'batch',
  label: 'labeled-response',
};

export class Capabilities {
  readonly #enabled = new Set<Capability>();
  /** Between `CAP LS` or `CAP REQ` and `CAP END` nobody is welcomed. */
  negotiating = false;

  has(name: Capability): boolean {
    return this.#enabled.has(name);
  }

  /** `CAP …`; `nick`: `*` before there is one. */
  answer([verb = '', given = '']: readonly string[], nick: string): readonly Line[] {
    const say = (said: string, names: string): Line[] => [
      { prefix: SERVER, command: 'CAP', params: [nick, said, names] },
    ];
    switch (verb.toUpperCase()) {
      case 'LS':
        this.negotiating = true;
        return say('LS', (Number(given) >= 302 ? NAMES.map(withValue) : NAMES).join(' '));
      case 'LIST':
        return say('LIST', [...this.#enabled].join(' '));
      case 'REQ':
        this.negotiating = true;
        return say(this.#change(given) ? 'ACK' : 'NAK', given);
      case 'END':
        this.negotiating = false;
        return [];
      default:
        return [reply('410', nick, verb === '' ? '*' : verb, 'There is no such CAP command')];
    }
  }

  /** The line as this client takes it: with the tags that it has asked for. */
  fit(line: Line): Line {
    if (!line.tags) return line;
    const tags = [...line.tags].filter(([name]) => {
      const needed = NEEDED[name];
      return needed !== undefined && this.#enabled.has(needed);
    });
    const { tags: _, ...bare } = line;
    return tags.length === 0 ? bare : { ...bare, tags: new Map(tags) };
  }

  /** All of them, or none. */
  #change(given: string): boolean {
    const wanted = given.split(' ').filter((name) => name !== '');
    if (!wanted.every((name) => isOffered(name.replace(/^-/, '')))) return false;
    for (const name of wanted) {
      if (name.startsWith('-')) this.#enabled.delete(name.slice(1) as Capability);
      else this.#enabled.add(name as Capability);
    }
    return true;
  }
}

const withValue = (name: Capability): string => (OFFERED[name] === '' ? name : `${name}=${OFFERED[name]}`);
