/**
 * A script: writes `schema/generated.ts` from `schema/chat.graphql`. With `--check` it writes nothing, and fails with one line
 * where the committed file is not what it would write. Run at the package's root.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as resolvers from '@graphql-codegen/typescript-resolvers';
import { parse } from 'graphql';

const SDL = 'schema/chat.graphql';
const GENERATED = 'schema/generated.ts';

const CONFIG = {
  useTypeImports: true,
  enumsAsTypes: true,
  immutableTypes: true,
  strictScalars: true,
  scalars: { DateTime: { input: 'string', output: 'string' } },
  contextType: 'unknown',
};

/**
 * The plugin writes `any` in these places only. A resolver of ours says what it takes, and is called by graphql-js, which is
 * not typed: what it is given is `never` to the checker, what it gives is `unknown`.
 */
const WITHOUT_ANY: readonly (readonly [from: string, to: string])[] = [
  ['SubscriptionSubscribeFn<any, TParent', 'SubscriptionSubscribeFn<unknown, TParent'],
  ['SubscriptionResolveFn<TResult, any, TContext', 'SubscriptionResolveFn<TResult, never, TContext'],
  ['(...args: any[]) => SubscriptionObject', '(...args: never[]) => SubscriptionObject'],
  ["<ResolversTypes['DateTime'], any>", "<ResolversTypes['DateTime'], unknown>"],
];

async function typesOf(sdl: string): Promise<string> {
  const text = await codegen({
    filename: GENERATED,
    schema: parse(sdl),
    documents: [],
    config: CONFIG,
    plugins: [{ typescript: {} }, { resolvers: {} }],
    pluginMap: { typescript, resolvers },
  });
  const head = `/** Written by schema/generate.ts from ${SDL}. Not edited by hand. */\n`;
  return WITHOUT_ANY.reduce((left, [from, to]) => left.replaceAll(from, to), `${head}${text}\n`);
}

const wanted = await typesOf(await readFile(SDL, 'utf8'));
const found = await readFile(GENERATED, 'utf8').catch((error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOENT') return undefined;
  throw error;
});
if (found === wanted) console.log(`${GENERATED} is current`);
else if (process.argv.includes('--check')) {
  console.error(`${GENERATED} does not fit ${SDL}: write it with \`npx tsx schema/generate.ts\`, and commit it`);
  process.exitCode = 1;
} else {
  await writeFile(GENERATED, wanted);
  console.log(`${GENERATED} written`);
}
