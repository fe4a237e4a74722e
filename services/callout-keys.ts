/**
 * The keys of the door for integrations. `issuer` signs what an integration may; `curve` is what the server encrypts its questions
 * for, which hold passwords. Their seeds lie in one file, a line each (or a word); the server's configuration has the public halves.
 */
import { readFileSync } from 'node:fs';
import { createAccount, createCurve, fromCurveSeed, fromSeed, type KeyPair } from '@nats-io/nkeys';
import { ConfigError } from './config.ts';

export interface CalloutKeys {
  readonly issuer: KeyPair;
  /** Undefined: the file has none, and questions come in clear text. */
  readonly curve: KeyPair | undefined;
}

const text = new TextDecoder();

/** The content of a new seed file. */
export const newCalloutSeeds = (): string =>
  [createAccount(), createCurve()].map((pair) => `${text.decode(pair.getSeed())}\n`).join('');

/** Throws ConfigError: no file, or none of ours. */
export function readCalloutKeys(path: string): CalloutKeys {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`LANES_NATS_CALLOUT_SEED_FILE: ${path} cannot be read (${(error as Error).message})`);
  }
  return parseCalloutKeys(content, path);
}

export function parseCalloutKeys(content: string, path: string): CalloutKeys {
  const seeds = content.split(/\s+/);
  const issuer = seeds.find((seed) => seed.startsWith('SA'));
  const curve = seeds.find((seed) => seed.startsWith('SX'));
  try {
    if (issuer === undefined) throw new Error('no line is an account seed (SA…)');
    const bytes = new TextEncoder();
    return {
      issuer: fromSeed(bytes.encode(issuer)),
      curve: curve === undefined ? undefined : fromCurveSeed(bytes.encode(curve)),
    };
  } catch (error) {
    throw new ConfigError(`LANES_NATS_CALLOUT_SEED_FILE: ${path} holds no seeds: ${(error as Error).message}`);
  }
}
