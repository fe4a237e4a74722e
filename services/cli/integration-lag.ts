/** How far the consumers of integrations are behind their streams. */
import { webhookReaders } from '../../bridge/webhook-readers.ts';
import type { AppId } from '../../schema/ids.ts';
import { appStream } from '../../schema/subjects.ts';
import { ConfigError } from '../config.ts';
import { ApiRefusal, Questions } from '../journal/ask.ts';
import { openLink } from '../journal/link.ts';
import { createLogger } from '../logger.ts';
import { type Command, complain, say } from './command.ts';
import { appOf, withRegistry } from './registry.ts';

interface Consumer {
  readonly name: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_redelivered: number;
}
interface ConsumerPage {
  readonly total: number;
  readonly consumers: readonly Consumer[] | null;
}

export const command: Command = {
  usage: `usage: lanes integration lag [app]

One line for each consumer of each integration's stream: how many events wait for it, how many it was given and has not
acknowledged, and how many of those more than once. And one for each webhook.`,
  options: {},
  words: [0, 1],
  run: ({ positionals: [word] }) => {
    const only = word === undefined ? undefined : appOf(word);
    return withRegistry(async (registry, { natsBridge }) => {
      if (natsBridge === null)
        throw new ConfigError('LANES_NATS_BRIDGE_USER is not set: the streams are in its account');
      if (only !== undefined && registry.get(only) === undefined)
        throw new ConfigError(`there is no integration ${only}`);
      const log = createLogger({ logLevel: 'warn' }, 'lag', 2);
      const link = await openLink({ ...natsBridge, log, name: 'lanes-lag', signal: AbortSignal.timeout(10_000) });
      try {
        const questions = new Questions(link);
        for (const { app, webhook } of registry.list()) {
          if (only !== undefined && app !== only) continue;
          for (const line of await linesOf(questions, app)) say(line);
          if (webhook) for (const line of await webhookLinesOf(questions, app)) say(line);
        }
      } finally {
        await link.close();
      }
      return 0;
    });
  },
};

/** The webhook's place, and how many conversations its receiver keeps waiting. */
async function webhookLinesOf(questions: Questions, app: AppId): Promise<string[]> {
  const [all, ...behind] = await webhookReaders(questions, app);
  return all ? [`${app}  webhook  waiting ${all.num_pending}  conversations behind ${behind.length}`] : [];
}

async function linesOf(questions: Questions, app: AppId): Promise<string[]> {
  const lines: string[] = [];
  try {
    for (let offset = 0; ; ) {
      const page = await questions.api<ConsumerPage>(`CONSUMER.LIST.${appStream(app)}`, { offset });
      const consumers = page.consumers ?? [];
      for (const { name, num_pending, num_ack_pending, num_redelivered } of consumers)
        lines.push(
          `${app}  ${name}  waiting ${num_pending}  unacknowledged ${num_ack_pending}  again ${num_redelivered}`,
        );
      offset += consumers.length;
      if (consumers.length === 0 || offset >= page.total) break;
    }
    if (lines.length === 0) complain(`${app} has no consumer`);
  } catch (error) {
    if (!(error instanceof ApiRefusal)) throw error;
    complain(`${app} has no stream yet: the bridge makes it`);
  }
  return lines;
}
