/** `lanes resume notifier` */
import { resumeNotifier } from '../notifier/resume.ts';
import { withStores } from '../projector/stores.ts';
import { giveUp, type With } from './resume.ts';

export const resuming: With = (config, log, target, use) =>
  withStores(config, log, 'resume', (stores) =>
    use(async (partition) => {
      const resumed = await resumeNotifier(stores, partition, target, giveUp());
      if (!resumed) return undefined;
      const { place, messages } = resumed;
      return `goes on behind stream sequence ${place.revision}; the pushes of ${messages} lost messages were forgotten`;
    }),
  );
