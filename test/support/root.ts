/** Where the repository is. The tests may run compiled, from a folder inside it. */
import { fileURLToPath } from 'node:url';

/** The folder with the `src` and `test` of this very file, which may be compiled. */
export const CODE: string = fileURLToPath(new URL('../..', import.meta.url));

/** The folder of the repository, with its pages and sources. */
export const ROOT: string = CODE.replace(/\.tests-\w+[\\/]$/, '');
