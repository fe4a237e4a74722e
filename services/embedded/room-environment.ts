/** What of the environment each room of an installation gets: what it reads, and none of the credentials of others. Pure. */

/** Settings that one room alone reads; all others have no use for them. */
const READERS: readonly { readonly names: RegExp; readonly room: string }[] = [
  { names: /^LANES_NATS_(SYS|BRIDGE|CALLOUT)_/, room: 'bridge' },
  { names: /^LANES_WEBHOOK_/, room: 'bridge' },
  { names: /^LANES_(APNS|FCM|GCM|VAPID|PUSH)_/, room: 'notifier' },
];
/** It listens to strangers and is a client of the api: neither servers nor secrets are its business, ours or of whoever started us. */
const IRC_READS = [
  /^LANES_(HOST|PORT|ADMIN_HOST|ADMIN_PORT|IRC_PORT|API_URL|LOG_LEVEL)$/,
  /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|NODE_.*|SSL_CERT_(FILE|DIR))$/,
];

export function roomEnvironmentOf(
  room: string,
  environment: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const isRead =
    room === 'irc'
      ? (name: string) => IRC_READS.some((names) => names.test(name))
      : (name: string) => READERS.every((one) => one.room === room || !one.names.test(name));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isRead(name)));
}
