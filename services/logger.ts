/** JSON logs, one line each, without secrets: the names below are never written, wherever they stand one level deep. */
import { type Logger, pino } from 'pino';
import type { Config } from './config.ts';

export type { Logger } from 'pino';

const SECRET_NAMES = [
  ...['authorization', 'cookie', 'token', 'password', 'pass', 'secret', 'key', 'auth', 'credentials', 'seed'],
  ...['connectionParams', 'jwt', 'push', 'endpoint', 'p256dh'],
];

/**
 * A room's logger. It writes at once, so that the last line before a crash is there; `output` 2 leaves stdout to a
 * command's own answer.
 */
export function createLogger(config: Pick<Config, 'logLevel'>, room: string, output: 1 | 2 = 1): Logger {
  return pino(
    {
      level: config.logLevel,
      base: { room },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    },
    pino.destination({ fd: output, sync: true }),
  );
}
