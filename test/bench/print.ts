/** How figures are shown: for a reader, and one JSON object a line. */
import { type Figure, type Goal, isMet, type Spread } from './figure.ts';

const SIGN = { 'at least': '≥', 'at most': '≤' } as const;

export function numberOf(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function goalText(goal: Goal, unit: string): string {
  const value = numberOf(goal.value);
  if (goal.of === 'ratio') return `${SIGN[goal.is]} ${value} × the limit`;
  return goal.of === 'difference'
    ? `${SIGN[goal.is]} the limit + ${value} ${unit}`
    : `${SIGN[goal.is]} ${value} ${unit}`;
}

const spreadText = (spread: Spread | undefined, unit = ''): string =>
  spread === undefined
    ? 'not measured'
    : `${numberOf(spread.median)}${unit && ` ${unit}`} (${numberOf(spread.min)}–${numberOf(spread.max)})`;

/** Several lines: the figure, its goals, its notes. */
export function figureText(figure: Figure): string {
  const { id, what, mode, unit, rounds } = figure;
  const verdict = (name: string, goal: Goal | undefined): string[] => {
    if (goal === undefined) return [];
    const met = isMet(figure, goal);
    return [`${name} ${goalText(goal, unit)}: ${met === undefined ? 'not measured' : met ? 'met' : 'BELOW'}`];
  };
  const difference = figure.target?.of === 'difference' ? ` · more by ${spreadText(figure.difference, unit)}` : '';
  const beside =
    figure.limit === undefined
      ? ''
      : ` · limit ${spreadText(figure.limit, unit)} · ratio ${spreadText(figure.ratio)}${difference}`;
  const goals = [...verdict('target', figure.target), ...verdict('stretch', figure.stretch)].join(' · ');
  return [
    `${id.padEnd(4)} ${what} [sync_interval: ${mode}; ${rounds} rounds]`,
    `     ours ${spreadText(figure.ours, unit)}${beside}`,
    ...(goals === '' ? [] : [`     ${goals}`]),
    ...figure.notes.map((note) => `     ${note}`),
  ].join('\n');
}

/** `target` and `stretch` are numbers; `goal` says what they are compared with. Medians; `null` where nothing was measured. */
export function figureJson(figure: Figure): string {
  const rounded = (value: number | undefined): number | null =>
    value === undefined ? null : Number(value.toPrecision(5));
  const { ours, limit, ratio, target, stretch } = figure;
  const range = (spread: Spread | undefined) =>
    spread === undefined ? null : [rounded(spread.min), rounded(spread.max)];
  return JSON.stringify({
    id: figure.id,
    what: figure.what,
    ours: rounded(ours?.median),
    limit: rounded(limit?.median),
    ratio: rounded(ratio?.median),
    target: target?.value ?? null,
    stretch: stretch?.value ?? null,
    unit: figure.unit,
    rounds: figure.rounds,
    mode: figure.mode,
    goal: target === undefined ? null : `${target.of} ${target.is}`,
    met: isMet(figure, target) ?? null,
    range: { ours: range(ours), limit: range(limit), ratio: range(ratio) },
    notes: figure.notes,
  });
}
