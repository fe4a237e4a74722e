/** One look at everything, for somebody who does not know where to begin. */

import { endWith } from '../run.ts';
import type { Finding } from './checks.ts';
import { type Command, say } from './command.ts';

const SIGN = { ok: 'ok     ', warning: 'warning', bad: 'BAD    ' } as const;

export const command: Command = {
  usage: `usage: lanes doctor

Checks settings, disk, servers, versions, streams, the rooms and how far history is behind; says what is wrong and how to
mend it. Exit code 0 if nothing is bad, else 1.`,
  options: {},
  words: [0, 0],
  run: async () => {
    const { examine } = await import('./checks.ts');
    const bad = (await examine(print)).filter(({ state }) => state === 'bad').length;
    say(bad === 0 ? 'nothing is wrong' : `${bad} ${bad === 1 ? 'thing is' : 'things are'} wrong`);
    // A check that got no answer in time may have left a connection that does not end.
    return endWith(bad === 0 ? 0 : 1);
  },
};

function print({ state, what, says, mend }: Finding): void {
  say(`${SIGN[state]}  ${what.padEnd(10)} ${says}${mend === undefined ? '' : `\n         ${''.padEnd(10)} → ${mend}`}`);
}
