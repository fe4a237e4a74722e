/** Finds secrets where they must not be. */

/** As it stands, and as it would stand in JSON, a URL, a header or a dump. */
const formsOf = (secret: string): readonly string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1),
  Buffer.from(secret).toString('hex'),
];

/** Each place by its name, each secret by what it is; of each that is found, what surrounds it. */
export function foundIn(
  places: readonly (readonly [name: string, text: string])[],
  secrets: ReadonlyMap<string, string>,
): string[] {
  const found = [...secrets].flatMap(([what, secret]) =>
    places.flatMap(([name, text]) => {
      const at = Math.max(...formsOf(secret).map((form) => text.indexOf(form)));
      return at < 0 ? [] : [`${what} in ${name}: …${text.slice(Math.max(0, at - 160), at + 80)}…`];
    }),
  );
  return [...new Set(found)];
}
