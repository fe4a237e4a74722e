/** One look at everything, for somebody who does not know where to begin. */
import { ConfigError, readSettings } from '../config.ts';
import { openConfig } from '../embedded/data-dir.ts';
import { createLogger } from '../logger.ts';
import {
  checkApi,
  checkData,
  checkMongo,
  checkNats,
  checkProjector,
  checkSettings,
  checkStreams,
  type Finding,
} from './checks.ts';
import { type Command, say } from './command.ts';

const SIGN = { ok: 'ok     ', warning: 'warning', bad: 'BAD    ' } as const;

export const command: Command = {
  usage: `usage: lanes doctor

Checks settings, disk, servers, versions, streams, the rooms and how far history is behind; says what is wrong and how to
mend it. Exit code 0 if nothing is bad, else 1.`,
  options: {},
  words: [0, 0],
  run: async () => {
    const bad = (await examine(print)).filter(({ state }) => state === 'bad').length;
    say(bad === 0 ? 'nothing is wrong' : `${bad} ${bad === 1 ? 'thing is' : 'things are'} wrong`);
    return bad === 0 ? 0 : 1;
  },
};

function print({ state, what, says, mend }: Finding): void {
  say(`${SIGN[state]}  ${what.padEnd(10)} ${says}${mend === undefined ? '' : `\n         ${''.padEnd(10)} → ${mend}`}`);
}

async function examine(tell: (finding: Finding) => void): Promise<Finding[]> {
  const all: Finding[] = [];
  const add = (findings: readonly Finding[]) => {
    for (const finding of findings) tell(finding);
    all.push(...findings);
  };
  try {
    const settings = readSettings();
    add(checkSettings(settings));
    add(checkData(settings));
    const config = openConfig(settings);
    const nats = await checkNats(config);
    add(nats);
    if (nats.every(({ state }) => state === 'ok'))
      add(await checkStreams(config, createLogger({ logLevel: 'silent' }, 'doctor', 2)));
    add(await checkMongo(config));
    add(await checkApi(settings));
    add(await checkProjector(settings));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    add([{ state: 'bad', what: 'settings', says: error.message, mend: 'correct that, then run this again' }]);
  }
  return all;
}
