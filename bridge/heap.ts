/** How much garbage a bridge lets lie. */
import { setFlagsFromString } from 'node:v8';

/** V8 lets the old generation grow to several times what lives in it before it looks; a bridge lives on passing things on. */
const GROWING_PERCENT = 40;

/** For the whole process. B3 of `npm run bench` measures what comes of it. */
export const keepHeapSmall = (): void => setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
