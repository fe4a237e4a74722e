/** A load that tells, of each send that was accepted, where its event stands. */
import type { Load } from './load.ts';

/** `onAcknowledged` is called when the answer comes, before the operation counts as done. */
export const acknowledged = (inner: Load, onAcknowledged: (lane: string, seq: number) => void): Load => ({
  start: (done) =>
    inner.start((error, answer) => {
      const lane = /"conversationId":"([^"]+)"/.exec(answer ?? '')?.[1];
      const seq = /"seq":(\d+)/.exec(answer ?? '')?.[1];
      if (lane !== undefined) onAcknowledged(lane, Number(seq));
      done(error);
    }),
  close: () => inner.close(),
});
