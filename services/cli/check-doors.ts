/** What `lanes doctor` looks at of the doors for integrations. */
import { hasMappings, ownAccountOf } from '../../bridge/door-checks.ts';
import { readCalloutKeys } from '../callout-keys.ts';
import type { Config, NatsAddress } from '../config.ts';
import { inspectNats } from '../embedded/inspect.ts';
import { openLink } from '../journal/link.ts';
import { createLogger } from '../logger.ts';
import type { Finding } from './checks.ts';

const ANSWER_MS = 3_000;
/** The server itself refuses after 2 s when nobody answers it. */
const PROMPT_MS = 1_500;
const WHAT = 'integrations';

export async function checkDoors(config: Config): Promise<Finding[]> {
  const { natsBridge, natsSys, natsCalloutSeedFile } = config;
  if (natsBridge === null) {
    const says = 'no LANES_NATS_BRIDGE_USER: no integration can come in';
    return [{ state: 'warning', what: WHAT, says, mend: 'docs/bridge.md, if there are to be any' }];
  }
  const findings: Finding[] = [];
  const bad = (says: string, mend: string): void => void findings.push({ state: 'bad', what: WHAT, says, mend });
  const isRight = async (check: () => Promise<unknown> | unknown, mend: string): Promise<void> => {
    try {
      await check();
    } catch (error) {
      bad(error instanceof Error ? error.message : String(error), mend);
    }
  };
  await isRight(() => readCalloutKeys(natsCalloutSeedFile ?? ''), 'lanes integration keys --help');
  await isRight(() => checkAccount(config, natsBridge), 'compare the server’s accounts with docs/bridge.md');
  if (natsSys === null) {
    const says = 'no LANES_NATS_SYS_USER: connections of a revoked integration go on for up to 5 minutes';
    findings.push({ state: 'warning', what: WHAT, says, mend: 'set it, and its password' });
  } else
    await isRight(
      () => inspectSystem({ ...config.nats, ...natsSys, credsFile: null }),
      'correct LANES_NATS_SYS_USER and LANES_NATS_SYS_PASSWORD',
    );
  if (findings.every(({ state }) => state !== 'bad')) findings.push(await checkCallout(config.nats));
  return findings;
}

async function checkAccount({ nats }: Config, natsBridge: NatsAddress): Promise<void> {
  const log = createLogger({ logLevel: 'silent' }, 'doctor', 2);
  const signal = AbortSignal.timeout(ANSWER_MS);
  const open = (address: NatsAddress, name: string) => openLink({ ...address, log, name, signal });
  const link = await open(natsBridge, 'doctor-bridge');
  try {
    await ownAccountOf(link, nats, open);
    if (!(await hasMappings(link)))
      throw new Error('the integrations’ account has no mappings: they cannot use JetStream');
  } finally {
    await link.close();
  }
}

async function inspectSystem(address: NatsAddress): Promise<void> {
  const link = await openLink({
    ...address,
    log: createLogger({ logLevel: 'silent' }, 'doctor', 2),
    name: 'doctor-sys',
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  await link.close();
}

/** A stranger is refused at once by a bridge, and late by the server where there is none. */
async function checkCallout({ servers }: NatsAddress): Promise<Finding> {
  const started = performance.now();
  try {
    await inspectNats({ servers, user: 'app_doctor', password: 'nobody', credsFile: null });
    return {
      state: 'bad',
      what: WHAT,
      says: 'a stranger is let in',
      mend: 'is there an auth_callout in its configuration?',
    };
  } catch {
    const ms = performance.now() - started;
    if (ms < PROMPT_MS) return { state: 'ok', what: WHAT, says: `the door answers, after ${Math.round(ms)} ms` };
    const says = 'nobody answers at the door: no integration can come in';
    return { state: 'warning', what: WHAT, says, mend: 'run "npm start" or "lanes bridge"' };
  }
}
