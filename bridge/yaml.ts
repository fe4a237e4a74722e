/** Plain data as YAML, in one way only, so that what is generated can be compared byte by byte. */

/** Words that no reader of YAML takes for anything but themselves. Everything else stands in JSON's quotes, which YAML knows. */
const PLAIN = /^[A-Za-z$_][A-Za-z0-9_$./#-]*$/;
const TAKEN = /^(true|false|yes|no|on|off|y|n|null)$/i;

const scalarOf = (value: unknown): string =>
  typeof value === 'string' && PLAIN.test(value) && !TAKEN.test(value) && !value.includes(' #')
    ? value
    : JSON.stringify(value);

/** Without what is undefined. */
export function yamlOf(value: unknown): string {
  return `${linesOf(value).join('\n')}\n`;
}

function linesOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.length === 0 ? ['[]'] : value.flatMap((item) => hung('-', linesOf(item)));
  if (typeof value !== 'object' || value === null) return [scalarOf(value)];
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return entries.length === 0 ? ['{}'] : entries.flatMap(([key, part]) => fieldOf(`${scalarOf(key)}:`, part));
}

function fieldOf(key: string, part: unknown): readonly string[] {
  const lines = linesOf(part);
  const isInline = typeof part !== 'object' || part === null || (lines.length === 1 && /^[[{]/.test(lines[0] ?? ''));
  return isInline ? [`${key} ${lines[0]}`] : [key, ...lines.map((line) => `  ${line}`)];
}

const hung = (mark: string, lines: readonly string[]): readonly string[] =>
  lines.map((line, i) => (i === 0 ? `${mark} ${line}` : `  ${line}`));
