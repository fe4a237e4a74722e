/** Ports that cannot be had, and the settings that help. */
import { ConfigError } from './config.ts';

/** The one line for a port that cannot be had; undefined: something else. */
export function portErrorOf(error: unknown, port: number, owner: string, setting: string): ConfigError | undefined {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new ConfigError(
        `port ${port} (${owner}) is taken: end what listens there, or set ${setting} to a free port`,
      );
    case 'EACCES':
      return new ConfigError(`no right to listen on port ${port} (${owner}): set ${setting} to one above 1023`);
    case 'EADDRNOTAVAIL':
      return new ConfigError(`this machine has no such address for ${owner}: set LANES_HOST to one of its own`);
    default:
      return undefined;
  }
}
