/**
 * The push services that Web Push goes to. An endpoint is whatever a user wrote: those of the browsers are known, and any other is
 * one that the operator named.
 */

/** Of Chrome and those made of it, Firefox, Safari, and Edge on Windows. */
const BROWSERS = [
  'fcm.googleapis.com',
  '*.push.services.mozilla.com',
  '*.push.apple.com',
  '*.notify.windows.com',
] as const;

const PATTERN = /^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])$/;

/** A host, `*.` and a domain for whatever is below it, or `*` for every host. Undefined: none of these. */
export const parseHostPattern = (text: string): string | undefined => {
  const pattern = text.trim().toLowerCase();
  return PATTERN.test(pattern) ? pattern : undefined;
};

/** `named`: patterns beside those of the browsers. */
export const isPushService = ({ hostname }: URL, named: readonly string[]): boolean =>
  [...BROWSERS, ...named].some((pattern) =>
    pattern.startsWith('*') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern,
  );
