/** Signs a token as the host application would, with the development secret. */
import { APP_PREFIX, ID_RULE, isName } from '../../schema/ids.ts';
import { ConfigError, readSettings } from '../config.ts';
import { openDataDir, tokenTrustOf } from '../embedded/data-dir.ts';
import { type Command, say, UsageError } from './command.ts';

const SCOPES = ['lanes:admin', 'lanes:server'];
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const TTL_MAX_SECONDS = 366 * 86_400;

export const command: Command = {
  usage: `usage: lanes token <user> [--ttl 1h] [--scope lanes:admin] [--name "Alice"] [--picture URL]

Prints a signed token for that user and nothing else. It works with the development secret only, which is made at the first
start and kept in LANES_DATA; with LANES_JWT_SECRET or LANES_JWKS_URL set, tokens come from your own issuer.

  --ttl      how long it is good: 90s, 30m, 1h, 7d (default 1h)
  --scope    ${SCOPES.join(', ')} (both: separated by a space)
  --name     the claim "name", shown as User.name
  --picture  the claim "picture", shown as User.avatarUrl`,
  options: {
    ttl: { type: 'string' },
    scope: { type: 'string' },
    name: { type: 'string' },
    picture: { type: 'string' },
  },
  words: [1, 1],
  run: async ({ positionals, text }) => {
    const [user = ''] = positionals;
    if (!isName(user) || user.startsWith(APP_PREFIX))
      throw new UsageError(`a user is ${ID_RULE}, and does not begin with ${APP_PREFIX}`);
    const claims = claimsOf(text('scope'), text('name'), text('picture'));
    const seconds = secondsOf(text('ttl') ?? '1h');
    const settings = readSettings();
    const trust = tokenTrustOf(settings);
    if (trust.kind !== 'secret' || !trust.development)
      throw new ConfigError(
        'LANES_JWT_SECRET or LANES_JWKS_URL is set: tokens come from your own issuer (LANES_ENV=development signs here)',
      );
    openDataDir(settings.dataDir);
    const { SignJWT } = await import('jose');
    const now = Math.floor(Date.now() / 1000);
    const token = new SignJWT({ ...claims, [trust.userClaim]: user }).setProtectedHeader({ alg: 'HS256', typ: 'JWT' });
    token.setIssuedAt(now).setExpirationTime(now + seconds);
    if (trust.issuer !== null) token.setIssuer(trust.issuer);
    if (trust.audience !== null) token.setAudience(trust.audience);
    say(await token.sign(new TextEncoder().encode(trust.secret)));
    return 0;
  },
};

function claimsOf(scope: string | undefined, name: string | undefined, picture: string | undefined) {
  const unknown = (scope ?? '').split(' ').filter((part) => part !== '' && !SCOPES.includes(part));
  if (unknown.length > 0) throw new UsageError(`unknown scope ${unknown.join(' ')}: there are ${SCOPES.join(' and ')}`);
  return {
    ...(scope === undefined ? {} : { scope }),
    ...(name === undefined ? {} : { name }),
    ...(picture === undefined ? {} : { picture }),
  };
}

function secondsOf(ttl: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(ttl) ?? [];
  const seconds = Number(count) * (UNIT_SECONDS[unit] ?? Number.NaN);
  if (!(seconds >= 1 && seconds <= TTL_MAX_SECONDS))
    throw new UsageError('--ttl takes 90s, 30m, 1h, 7d; at most a year');
  return seconds;
}
