/**
 * How much the store of an embedded nats-server may hold: what the streams' budget says. A server whose streams may hold more than
 * that (of an earlier version, or of a larger budget) has to be let hold it once more, or it would refuse that they are lowered.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { budgetOf } from '../../schema/streams.ts';

export interface StoreLimits {
  /** Of the server. */
  readonly total: number;
  /** Of the accounts of integrations. */
  readonly apps: number;
  readonly mqtt: number;
}

/** For what a new version has and an older one had not. */
const HEADROOM_BYTES = 64 * 1024 ** 2;
const HEADROOM_PART = 1.02;
/** Streams without a limit of their own grow on from where they are. */
const GROWTH = 1.25;

/** `storeDir`: the server's, which may not be there yet. `accounts`: their names. */
export function storeLimitsOf(
  storeDir: string,
  storeBytes: number,
  accounts: { readonly apps: string; readonly mqtt: string },
): StoreLimits {
  const root = join(storeDir, 'jetstream');
  const { apps, positions, advisories, webhooks, mqtt } = budgetOf(storeBytes);
  const there = (account: string): number => heldBy(join(root, account));
  const all = foldersOf(root).reduce((sum, account) => sum + there(account), 0);
  return {
    total: Math.ceil(Math.max(storeBytes, all) * HEADROOM_PART) + HEADROOM_BYTES,
    apps: Math.max(apps + positions + advisories + webhooks, there(accounts.apps)),
    mqtt: Math.max(mqtt, there(accounts.mqtt)),
  };
}

/** What the streams of an account may hold, by their own configurations. */
function heldBy(account: string): number {
  const streams = join(account, 'streams');
  return foldersOf(streams).reduce((sum, name) => sum + mayHold(join(streams, name)), 0);
}

function mayHold(stream: string): number {
  try {
    const { max_bytes: most } = JSON.parse(readFileSync(join(stream, 'meta.inf'), 'utf8')) as { max_bytes?: number };
    if (most !== undefined && most > 0) return most;
  } catch {
    // The server itself passes over what it cannot read.
  }
  return Math.ceil(bytesIn(join(stream, 'msgs')) * GROWTH);
}

const bytesIn = (folder: string): number =>
  namesIn(folder).reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);

const foldersOf = (folder: string): readonly string[] =>
  namesIn(folder).filter((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.isDirectory() === true);

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
