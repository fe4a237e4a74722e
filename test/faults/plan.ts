/** Which process is killed or stopped when, from a seed. */
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

/** Runs longer than this kill for longer, and all at once now and then. */
const LONG_MS = 5 * 60_000;
const FIRST_AT_MS = 4_000;
/** Between the return of one and the next. */
const CALM_MS = [1_500, 6_000] as const;
const FREEZE_MS = [500, 4_000] as const;

/** Every target is killed at least once, in a shuffled order; then it goes on at random until the load ends. */
export function planOf(random: Random, loadMs: number): Fault[] {
  const isLong = loadMs >= LONG_MS;
  const longest = isLong ? 10_000 : 2_000;
  const kill = (targets: readonly Target[]): Omit<Fault, 'at'> => ({
    how: 'kill',
    targets,
    forMs: random.int(0, longest),
  });
  const freeze = (target: Target): Omit<Fault, 'at'> => ({
    how: 'freeze',
    targets: [target],
    forMs: random.int(...FREEZE_MS),
  });
  const due = [...random.shuffle(TARGETS).map((target) => kill([target])), freeze('nats-server'), kill(TARGETS)];
  const plan: Fault[] = [];
  for (let at = FIRST_AT_MS; ; ) {
    const fault = due.shift() ?? anyOf(random, kill, freeze);
    if (at + fault.forMs > loadMs) return plan;
    plan.push({ ...fault, at });
    at += fault.forMs + random.int(...CALM_MS);
  }
}

function anyOf(
  random: Random,
  kill: (targets: readonly Target[]) => Omit<Fault, 'at'>,
  freeze: (target: Target) => Omit<Fault, 'at'>,
): Omit<Fault, 'at'> {
  const chance = random.next();
  if (chance < 0.05) return kill(TARGETS);
  if (chance < 0.2) return kill(random.shuffle(TARGETS).slice(0, 2));
  return chance < 0.35 ? freeze(random.pick(TARGETS)) : kill([random.pick(TARGETS)]);
}
