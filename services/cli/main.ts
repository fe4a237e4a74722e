/** The `lanes` command. Each command is loaded only when it is asked for: a start must not wait for what it does not use. */
import { ConfigError } from '../config.ts';
import { type Command, complain, type Entry, listOf, parseGiven, say, UsageError } from './command.ts';

const COMMANDS: Readonly<Record<string, Entry>> = {
  up: { summary: 'everything on one machine: servers and all rooms', load: () => import('./up.ts') },
  api: { summary: 'the GraphQL API as a process of its own', load: () => import('./api.ts') },
  projector: { summary: 'writes history to MongoDB, as a process of its own', load: () => import('./projector.ts') },
  notifier: { summary: 'pushes what stayed undelivered, as a process of its own', load: () => import('./notifier.ts') },
  irc: {
    summary: 'conversations as channels for IRC clients, as a process of its own',
    load: () => import('./irc.ts'),
  },
  bridge: {
    summary: 'third parties over NATS, MQTT and webhooks, as a process of its own',
    load: () => import('./bridge.ts'),
  },
  token: { summary: 'prints a token for a user (development)', load: () => import('./token.ts') },
  verify: { summary: 'compares every lane with history', load: () => import('./verify.ts') },
  rebuild: { summary: 'drops and rebuilds history from the lanes', load: () => import('./rebuild.ts') },
  resume: { summary: 'goes on where a service stands still, after a loss', load: () => import('./resume.ts') },
  why: { summary: 'the story of a message’s delivery', load: () => import('./why.ts') },
  integration: { summary: 'third parties: who they are, and how they come in', load: () => import('./integration.ts') },
  user: { summary: 'revokes the tokens of a user', load: () => import('./user.ts') },
  doctor: { summary: 'checks everything and says how to mend it', load: () => import('./doctor.ts') },
};

const usage = (): string =>
  [
    'usage: lanes <command> [--help]',
    '',
    listOf(COMMANDS),
    '',
    'Settings are environment variables, LANES_…; README.md lists them.',
  ].join('\n');

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') {
    say(usage());
    return 0;
  }
  const entry = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    complain(`${name === undefined ? 'which command?' : `unknown command ${name}`}\n\n${usage()}`);
    return 2;
  }
  return runCommand((await entry.load()).command, rest);
}

async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const [word = '', ...others] = args;
  const part = command.parts && Object.hasOwn(command.parts, word) ? command.parts[word] : undefined;
  if (part) return runCommand((await part.load()).command, others);
  try {
    const given = parseGiven(command, args);
    if (given !== 'help') return await command.run(given);
    say(command.usage);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message}\n\n${command.usage}`);
      return 2;
    }
    if (error instanceof ConfigError) {
      complain(error.message);
      return 1;
    }
    throw error;
  }
}

process.exitCode = await main(process.argv.slice(2));
