/** Which process is killed or stopped when, and which provider is in trouble when, from a seed. */
import { TROUBLES, type TroubleName } from './gateways.ts';
import { GATEWAYS, type GatewayName } from './push-trace.ts';
import type { Random } from './random.ts';
import { TARGETS, type Target } from './world.ts';

export interface Fault {
  /** Milliseconds after the load began. */
  readonly at: number;
  /** `kill`: -9, started again after `forMs`. `freeze`: stopped, and going on after `forMs`. */
  readonly how: 'kill' | 'freeze';
  readonly targets: readonly Target[];
  readonly forMs: number;
}
export interface Trouble {
  readonly at: number;
  readonly gateway: GatewayName;
  readonly how: TroubleName;
  readonly forMs: number;
}
export interface Plan {
  readonly faults: readonly Fault[];
  /** Those of one provider follow each other; those of two go on beside each other. */
  readonly troubles: readonly Trouble[];
}

/** Runs longer than this kill for longer, and all at once now and then. */
const LONG_MS = 180_000;
const FIRST_AT_MS = 3_000;
const CALM_MS = [1_500, 5_000] as const;
const FREEZE_MS = [500, 4_000] as const;
const TROUBLE_MS = [2_000, 4_500] as const;
const NO_TROUBLE_MS = [4_000, 9_000] as const;

type What = Omit<Fault, 'at'>;

/** Every target is killed at least once, in a shuffled order; then it goes on at random until the load ends. */
export function planOf(random: Random, loadMs: number): Plan {
  const longest = loadMs >= LONG_MS ? 10_000 : 2_000;
  const kill = (targets: readonly Target[]): What => ({ how: 'kill', targets, forMs: random.int(0, longest) });
  const freeze = (target: Target): What => ({ how: 'freeze', targets: [target], forMs: random.int(...FREEZE_MS) });
  const due = [
    ...random.shuffle(TARGETS).map((target) => kill([target])),
    freeze('nats-server'),
    freeze('notifier-0'),
    kill(TARGETS),
  ];
  const faults: Fault[] = [];
  for (let at = FIRST_AT_MS; ; ) {
    const fault = due.shift() ?? anyOf(random, kill, freeze);
    if (at + fault.forMs > loadMs) return { faults, troubles: troublesOf(random.fork('troubles'), loadMs) };
    faults.push({ ...fault, at });
    at += fault.forMs + random.int(...CALM_MS);
  }
}

function anyOf(random: Random, kill: (targets: readonly Target[]) => What, freeze: (target: Target) => What): What {
  const chance = random.next();
  if (chance < 0.05) return kill(TARGETS);
  if (chance < 0.2) return kill(random.shuffle(TARGETS).slice(0, 2));
  return chance < 0.35 ? freeze(random.pick(TARGETS)) : kill([random.pick(TARGETS)]);
}

/** Each provider goes through every kind of trouble in an order of its own. */
function troublesOf(random: Random, loadMs: number): Trouble[] {
  return GATEWAYS.flatMap((gateway) => {
    const troubles: Trouble[] = [];
    let due: TroubleName[] = [];
    for (let at = random.int(...NO_TROUBLE_MS); ; ) {
      if (due.length === 0) due = random.shuffle(TROUBLES);
      const forMs = random.int(...TROUBLE_MS);
      if (at + forMs > loadMs) return troubles;
      troubles.push({ at, gateway, how: due.shift() as TroubleName, forMs });
      at += forMs + random.int(...NO_TROUBLE_MS);
    }
  });
}

export const SCENARIOS = ['mongod-minute', 'provider-minute', 'notifier-kills'] as const;
export type Scenario = (typeof SCENARIOS)[number];

const MINUTE_MS = 60_000;
const BEFORE_MS = 10_000;
const AFTER_MS = 15_000;

/** One thing goes wrong, for a full minute; `notifier-kills`: both notifiers are killed whenever a push was just taken (run.ts). */
export function planOfScenario(scenario: Scenario): Plan & { readonly loadMs: number } {
  const at = BEFORE_MS;
  const loadMs = BEFORE_MS + MINUTE_MS + AFTER_MS;
  switch (scenario) {
    case 'mongod-minute':
      return { loadMs, faults: [{ at, how: 'kill', targets: ['mongod'], forMs: MINUTE_MS }], troubles: [] };
    case 'provider-minute':
      return {
        ...{ loadMs, faults: [] },
        troubles: GATEWAYS.map((gateway) => ({ at, gateway, how: 'unavailable' as const, forMs: MINUTE_MS })),
      };
    case 'notifier-kills':
      return { loadMs, faults: [], troubles: [] };
    default:
      return scenario satisfies never;
  }
}
