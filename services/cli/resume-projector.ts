/** `lanes resume projector` */
import { resumeProjector } from '../projector/resume.ts';
import { withStores } from '../projector/stores.ts';
import { giveUp, type With } from './resume.ts';

export const resuming: With = (config, log, target, use) =>
  withStores(config, log, 'resume', (stores) =>
    use(async (partition) => {
      const resumed = await resumeProjector(stores, partition, target, giveUp());
      if (!resumed) return undefined;
      const { place, lanes } = resumed;
      return `goes on behind stream sequence ${place.revision}; the history of ${lanes} conversations was cut there`;
    }),
  );
