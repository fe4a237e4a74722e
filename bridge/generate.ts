/**
 * A script: writes `schema/asyncapi.yaml` from the shapes in `bridge/`. With `--check` it writes nothing, and fails with one line
 * where the committed file is not what it would write. Run at the package's root.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { asyncApi } from './asyncapi.ts';
import { yamlOf } from './yaml.ts';

const TARGET = 'schema/asyncapi.yaml';

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
const wanted = `# Written by bridge/generate.ts. Not edited by hand.\n${yamlOf(asyncApi(version))}`;
const found = await readFile(TARGET, 'utf8').catch((error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOENT') return undefined;
  throw error;
});
if (found === wanted) console.log(`${TARGET} is current`);
else if (process.argv.includes('--check')) {
  console.error(`${TARGET} does not fit bridge/: write it with \`npx tsx bridge/generate.ts\`, and commit it`);
  process.exitCode = 1;
} else {
  await writeFile(TARGET, wanted);
  console.log(`${TARGET} written`);
}
