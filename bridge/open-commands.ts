/** The commands of integrations on their stores, for whichever doors they come in by. */
import type { Registry } from 'prom-client';
import type { Millis } from '../schema/ids.ts';
import type { Config } from '../services/config.ts';
import { receiptFigures, submitFigures } from '../services/journal/figures.ts';
import type { Integrations } from '../services/journal/integrations.ts';
import type { Journal } from '../services/journal/journal.ts';
import type { Lanes } from '../services/journal/lanes.ts';
import { Marking } from '../services/journal/marking.ts';
import { type ReceiptLog, Receipts } from '../services/journal/receipts.ts';
import { Submit } from '../services/journal/submit.ts';
import { DEFAULT_RULES } from '../services/lane/decide.ts';
import type { Logger } from '../services/logger.ts';
import type { Mongo } from '../services/views/connect.ts';
import { openDevices } from '../services/views/devices.ts';
import type { History } from '../services/views/history.ts';
import type { Reads } from '../services/views/reads.ts';
import { openReceiptBoard } from '../services/views/receipts.ts';
import { openUnread } from '../services/views/unread.ts';
import { AppReads } from './app-reads.ts';
import { createCommandMetrics } from './command-metrics.ts';
import { Commands, type CommandsParts } from './commands.ts';
import type { ServiceObserver } from './service.ts';

/** None of them is closed with it. */
export interface OpenCommandsParts {
  readonly config: Pick<Config, 'create' | 'membersAdd' | 'sends'>;
  readonly journal: Journal;
  readonly receipts: ReceiptLog;
  readonly lanes: Lanes;
  readonly reads: Reads;
  readonly history: History;
  readonly mongo: Mongo;
  readonly integrations: Pick<Integrations, 'get'>;
  readonly replay: CommandsParts['replay'];
  readonly registry: Registry;
  readonly clock: () => Millis;
  readonly log: Logger;
}

export interface OpenCommands {
  readonly commands: Commands;
  /** For `openService`. */
  readonly observer: ServiceObserver;
  /** Settles what is under way, within a few seconds. The doors have to be closed before. */
  stop(): Promise<void>;
}

/** Does not wait for MongoDB or NATS. */
export function openCommands(parts: OpenCommandsParts): OpenCommands {
  const { config, journal, lanes, reads, history, mongo, integrations, replay, registry, clock, log } = parts;
  const submit = new Submit(journal, lanes, reads, {
    rules: { ...DEFAULT_RULES, create: config.create, membersAdd: config.membersAdd },
    clock,
    log,
    // A reader whose live copy was lost is rung by its own process.
    observer: { ...submitFigures([registry]), found: () => undefined },
  });
  const receipts = new Receipts(parts.receipts, { clock, observer: receiptFigures([registry]) });
  const marking = new Marking({ lanes, receipts, clock });
  const board = openReceiptBoard({ receipts: parts.receipts, mongo, log });
  const devices = openDevices(mongo, log, clock);
  const unread = openUnread({ lanes, reads, board, mongo, log });
  const observer = createCommandMetrics(registry, () => commands.size);
  const appReads = new AppReads({ lanes, reads, history, board, devices, unread, log });
  const { sends } = config;
  const commands = new Commands({ integrations, submit, marking, reads: appReads, replay, sends, log, observer });
  return {
    commands,
    observer,
    stop: async () => {
      await Promise.all([submit.stop(), receipts.stop()]);
      await board.stop();
    },
  };
}
