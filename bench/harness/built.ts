/** What `npm run build` made, which is what users install: through tsx every function would cost more than it does. */
import { join } from 'node:path';

/** The folder that holds it. */
export const DIST: string = join(import.meta.dirname, '../../dist');

const at = (path: string): Promise<unknown> => import(join(DIST, path));

export const latchkey = (await at('index.js')) as typeof import('../../src/index.ts');
export const { Jwt } = (await at('crypto/jwt.js')) as typeof import('../../src/crypto/jwt.ts');
