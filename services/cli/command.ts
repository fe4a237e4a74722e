/** What every command of the command line is: its help, what it takes, and what it does. */
import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';

export type Options = NonNullable<ParseArgsConfig['options']>;
export type Given = {
  readonly positionals: readonly string[];
  /** The value of a text option; undefined where it was not given. */
  readonly text: (name: string) => string | undefined;
  /** Whether an option without a value was given. */
  readonly flag: (name: string) => boolean;
};
/** A command, loaded when it is asked for. */
export type Entry = { readonly summary: string; readonly load: () => Promise<{ readonly command: Command }> };
export type Command = {
  /** Commands of its own: the first word chooses. It is then only their list, and is never run. */
  readonly parts?: Readonly<Record<string, Entry>>;
  /** Shown by `--help` and, on stderr, after a mistake. */
  readonly usage: string;
  readonly options: Options;
  /** How many words may stand beside the options. */
  readonly words: readonly [fewest: number, most: number];
  /** Answers the exit code. A `ConfigError` is shown as its one line. */
  run(given: Given): Promise<number>;
};

/** The caller's mistake: shown with the usage, exit code 2. */
export class UsageError extends Error {}

export function parseGiven(command: Command, args: readonly string[]): Given | 'help' {
  const help = { type: 'boolean', short: 'h' } as const;
  let parsed: { values: { help?: unknown; [name: string]: unknown }; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options: { ...command.options, help }, allowPositionals: true });
  } catch (error) {
    // Node adds a paragraph of advice; the first sentence says it.
    throw new UsageError((error as Error).message.split('. ')[0] ?? 'not understood');
  }
  const { values, positionals } = parsed;
  if (values.help === true) return 'help';
  const [fewest, most] = command.words;
  if (positionals.length < fewest) throw new UsageError('something is missing');
  if (positionals.length > most) throw new UsageError(`unexpected: ${positionals.slice(most).join(' ')}`);
  return {
    positionals,
    text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    flag: (name) => values[name] === true,
  };
}

/** The lines of a list of commands. */
export const listOf = (entries: Readonly<Record<string, Entry>>): string => {
  const width = Math.max(...Object.keys(entries).map((name) => name.length));
  return Object.entries(entries)
    .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
    .join('\n');
};

/** A command that is a list of others. */
export function groupOf(name: string, does: string, parts: Readonly<Record<string, Entry>>): Command {
  return {
    parts,
    usage: `usage: lanes ${name} <what> [--help]\n\n${does}\n\n${listOf(parts)}`,
    options: {},
    words: [0, 0],
    run: () => Promise.reject(new UsageError(`what? ${Object.keys(parts).join(', ')}`)),
  };
}

export const say = (line: string): void => void process.stdout.write(`${line}\n`);
export const complain = (line: string): void => void process.stderr.write(`${line}\n`);
