/** How much garbage a bridge lets lie. */
import { setFlagsFromString } from 'node:v8';

/** V8 lets the old generation grow to several times what lives in it before it looks; a bridge lives on passing things on. */
const GROWING_PERCENT = 40;

/**
 * For the whole process. Measured with 50 integrations in 50,000 conversations and 150,000 events at full speed: at the most 204 MB
 * resident instead of 336, of which 48 MB of heap are in use, at the same speed.
 */
export const keepHeapSmall = (): void => setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`);
