/** What `lanes doctor` reads of rooms in their own figures. */
import type { Settings } from '../config.ts';
import { CLOCK_OFF_MS } from '../journal/clock.ts';
import { adminPortOf, type Room } from '../metrics.ts';
import { AT_BOUND, UNPROJECTED_STEPS } from '../unprojected-metrics.ts';
import type { Finding } from './checks.ts';

const ANSWER_MS = 3000;
const BEHIND_MOST = 10_000;
const NO_ANSWER = 'does not answer';

/** Where a listener on every address is reached from here. */
export const reachable = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host);

/** Whether the api finds in the store what history was made from. */
export function checkStore(settings: Settings): Promise<Finding[]> {
  return checkRoom(settings, 'api', 'nothing is accepted', (figures) => {
    const lost = [...figures.matchAll(/^lanes_lost_store_partitions\{[^}]*partition="(\d+)"[^}]*\} 1$/gm)].map(
      ([, p]) => p,
    );
    if (lost.length === 0) return { state: 'ok', what: 'store', says: 'it holds what history was made from' };
    const says = `partition ${lost.join(', ')}: history holds conversations that are not in the store`;
    return bad(
      'store',
      says,
      'restore its files; or, where they are gone for good, see "lost store" in docs/operations.md',
    );
  });
}

/** How far it is behind, and what it had to park. */
export function checkProjector(settings: Settings): Promise<Finding[]> {
  return checkRoom(settings, 'projector', 'history waits, sends go on', (figures) => {
    const lag = greatest(figures, /^lanes_projector_lag_records(?:\{[^}]*\})? (\S+)$/gm);
    const parked = greatest(figures, /^lanes_projector_parked(?:\{[^}]*\})? (\S+)$/gm);
    if (parked > 0) return bad('projector', `${parked} records are parked`, 'see its log, then "lanes verify"');
    if (lag > BEHIND_MOST)
      return warning('projector', `${lag} records behind`, 'is MongoDB slow? History is late, not lost');
    return { state: 'ok', what: 'projector', says: `${lag} records behind` };
  });
}

/** What waits to be decided, and providers that take nothing from us. */
export function checkNotifier(settings: Settings): Promise<Finding[]> {
  return checkRoom(settings, 'notifier', 'pushes wait, none is lost', (figures) => {
    const refusing = providersWith(figures, 'credentials');
    const inTrouble = providersWith(figures, 'trouble');
    const waiting = greatest(figures, /^lanes_notifier_waiting_records(?:\{[^}]*\})? (\S+)$/gm);
    if (refusing.length > 0) {
      const mend = 'its log says what the provider said: docs/push.md';
      return bad('notifier', `${refusing.join(', ')} does not take our credentials or settings`, mend);
    }
    if (inTrouble.length > 0)
      return warning(
        'notifier',
        `${inTrouble.join(', ')} does not answer well`,
        'its pushes are tried again by themselves',
      );
    return { state: 'ok', what: 'notifier', says: `${waiting} records wait in a partition, their grace among them` };
  });
}

/** Where it runs: whether it does, the doors tell. */
export async function checkBridge(settings: Settings): Promise<Finding[]> {
  const findings = await checkRoom(settings, 'bridge', '', () => ({ state: 'ok', what: 'bridge', says: 'runs' }));
  return findings.filter(({ says }) => !says.endsWith(NO_ANSWER));
}

async function checkRoom(
  settings: Settings,
  room: Room,
  meanwhile: string,
  judge: (figures: string) => Finding,
): Promise<Finding[]> {
  const url = `http://${reachable(settings.adminHost)}:${adminPortOf(settings, room)}/metrics`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const figures = await answer.text();
    return [...haltedIn(figures, room), ...clockIn(figures, room), ...unprojectedIn(figures, room), judge(figures)];
  } catch {
    return [bad(room, `${url} ${NO_ANSWER}`, `run "npm start" or "lanes ${room}"; ${meanwhile}`)];
  }
}

/** Whose own clock is off: it works by that of NATS, and is not ready. */
function clockIn(figures: string, room: Room): Finding[] {
  const off = Number(/^lanes_clock_offset_ms(?:\{[^}]*\})? (\S+)$/m.exec(figures)?.[1] ?? 0);
  if (Math.abs(off) <= CLOCK_OFF_MS) return [];
  const says = `its clock is ${Math.abs(off)} ms ${off > 0 ? 'ahead of' : 'behind'} that of NATS`;
  return [bad(room, says, 'set the clock of its machine (NTP)')];
}

/** What it holds because no projector has written it to MongoDB, where that comes near to what it may hold. */
function unprojectedIn(figures: string, room: Room): Finding[] {
  const [early, late] = UNPROJECTED_STEPS;
  return Object.entries(AT_BOUND).flatMap(([what, atBound]) => {
    const figure = (name: 'held' | 'max') =>
      greatest(figures, new RegExp(`^lanes_unprojected_${name}\\{[^}]*what="${what}"[^}]*\\} (\\S+)$`, 'gm'));
    const part = figure('held') / Math.max(1, figure('max'));
    if (part < early) return [];
    const says = `${Math.round(100 * part)} % of what it may hold of ${what} is not in MongoDB; ${atBound}`;
    const mend = 'start a projector, or see why it is behind; nothing is lost';
    return [part < late ? warning(room, says, mend) : bad(room, says, mend)];
  });
}

/** Where a service stands still, because the stream is another one than it had read. */
function haltedIn(figures: string, room: Room): Finding[] {
  const partitions = new Map<string, string[]>();
  for (const [, labels = ''] of figures.matchAll(/^lanes_halted_partitions\{([^}]*)\} 1$/gm)) {
    const [service = '', partition = ''] = ['service', 'partition'].map((name) => labelOf(labels, name));
    partitions.set(service, [...(partitions.get(service) ?? []), partition]);
  }
  return [...partitions].map(([service, some]) =>
    bad(
      room,
      `${service} stands still in partition ${some.join(', ')}: the stream lost its newest records, or is another one`,
      `make sure that it is the stream to keep, then "lanes resume ${service}" (docs/operations.md)`,
    ),
  );
}

const labelOf = (labels: string, name: string): string | undefined =>
  new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1];

const bad = (what: string, says: string, mend: string): Finding => ({ state: 'bad', what, says, mend });
const warning = (what: string, says: string, mend: string): Finding => ({ state: 'warning', what, says, mend });

const greatest = (figures: string, pattern: RegExp): number =>
  Math.max(0, ...[...figures.matchAll(pattern)].map(([, value]) => Number(value)));

const providersWith = (figures: string, cause: 'credentials' | 'trouble'): string[] =>
  [...figures.matchAll(/^lanes_push_circuits_open\{([^}]*)\} (\S+)$/gm)].flatMap(([, labels = '', value]) =>
    Number(value) > 0 && labels.includes(`cause="${cause}"`) ? [/provider="([^"]*)"/.exec(labels)?.[1] ?? ''] : [],
  );
