/** `lanes resume projector` */
import type { Config } from '../config.ts';
import type { Target } from '../journal/resume.ts';
import type { Logger } from '../logger.ts';
import { resumeProjector } from '../projector/resume.ts';
import { withStores } from '../projector/stores.ts';
import { giveUp } from './resume.ts';

export const resuming = (
  config: Config,
  log: Logger,
  target: Target,
  use: (resume: (partition: number) => Promise<string | undefined>) => Promise<number>,
): Promise<number> =>
  withStores(config, log, 'resume', (stores) =>
    use(async (partition) => {
      const resumed = await resumeProjector(stores, partition, target, giveUp());
      if (!resumed) return undefined;
      const { place, lanes } = resumed;
      return `goes on behind stream sequence ${place.revision}; the history of ${lanes} conversations was cut there`;
    }),
  );
