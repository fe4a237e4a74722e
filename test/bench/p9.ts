/** P9: pushes a second to a provider on this machine over HTTP/2, beside a bare HTTP/2 client with the same bytes. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figure, figureOf, ratioAtLeast } from './figure.ts';
import type { LoadResult } from './generate/load.ts';
import type { Pushes } from './generate/pushes.ts';
import { type Generator, startGenerator } from './generator.ts';
import type { TakingProvider } from './limits/push-provider.ts';
import { limitSampleOf } from './p1.ts';
import type { Rig } from './rig.ts';
import { byTurns, type Pace } from './rounds.ts';

/** On each side. More on one connection of HTTP/2, and single ones wait for seconds, whoever the client is. */
const IN_FLIGHT = 100;

/** Nothing of the rig is used: no store takes part in it. */
export async function* p9(_: Rig | undefined, pace: Pace): AsyncGenerator<Figure> {
  const dir = mkdtempSync(join(tmpdir(), 'lanes-p9-'));
  const provider = await startGenerator<TakingProvider>('limits/push-provider', undefined);
  const started: Generator<Pushes>[] = [];
  const start = async (options: Pushes['open']): Promise<Generator<Pushes>> => {
    const generator = await startGenerator<Pushes>('generate/pushes', options);
    started.push(generator);
    return generator;
  };
  try {
    const ours = await start({ kind: 'ours', settings: settingsIn(dir, provider.opened) });
    const bare = await start({ kind: 'bare', ...provider.opened });
    const job = { kind: 'closed', inFlight: IN_FLIGHT, warmMs: pace.warmMs, ms: pace.ms } as const;
    const results = await byTurns<LoadResult>(
      pace,
      () => bare.run({ ...job, pids: { client: bare.pid, provider: provider.pid } }),
      () => ours.run({ ...job, pids: { notifier: ours.pid, provider: provider.pid } }),
    );
    const sampled = (of: readonly LoadResult[]) => of.map((result) => limitSampleOf(result, result.perSecond));
    yield figureOf(
      {
        ...{ id: 'P9', what: 'pushes to a local HTTP/2 provider (APNs)', mode: 'none', unit: 'pushes/s' },
        ...{ target: ratioAtLeast(0.3), stretch: ratioAtLeast(0.5) },
        notes: [`${IN_FLIGHT} in flight on each side; limit: node:http2, one connection, a ready body`],
      },
      sampled(results.ours),
      sampled(results.limit),
    );
  } finally {
    await Promise.all([...started, provider].map((generator) => generator.stop()));
    rmSync(dir, { recursive: true, force: true });
  }
}

export function settingsIn(dir: string, { url, authority }: TakingProvider['opened']): Record<string, string> {
  const file = (name: string, text: string): string => {
    const path = join(dir, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    LANES_APNS_URL: url,
    LANES_APNS_KEY_FILE: file('key.p8', privateKey.export({ type: 'pkcs8', format: 'pem' }) as string),
    LANES_APNS_KEY_ID: 'KEY1234567',
    LANES_APNS_TEAM_ID: 'TEAM123456',
    LANES_APNS_TOPIC: 'org.example.chat',
    LANES_PUSH_CA_FILE: file('ca.pem', authority),
  };
}
