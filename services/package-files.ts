/** Files of the package that are not compiled: found above this file, as source and as compiled. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The path of a file given from the package's root. Throws where there is none. */
export function packageFile(path: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, path))) {
    const above = dirname(folder);
    if (above === folder) throw new Error(`${path} is missing from the package`);
    folder = above;
  }
  return join(folder, path);
}
