/** The output of `npm run build`, which users install. Code that tsx compiles is slower. */
import { join } from 'node:path';

/** The folder of the output. */
export const DIST: string = join(import.meta.dirname, '../../dist');

const at = (path: string): Promise<unknown> => import(join(DIST, path));

export const latchkey = (await at('index.js')) as typeof import('../../src/index.ts');
export const { Jwt } = (await at('crypto/jwt.js')) as typeof import('../../src/crypto/jwt.ts');

export const { readRecord } = (await at('sessions/record-check.js')) as typeof import(
  '../../src/sessions/record-check.ts'
);
export const { Database } = (await at('postgres/database.js')) as typeof import(
  '../../src/postgres/database.ts'
);
export const { isStorable } = (await at('postgres/text.js')) as typeof import(
  '../../src/postgres/text.ts'
);
export const { RemovedNames } = (await at('users/postgres-removed-names.js')) as typeof import(
  '../../src/users/postgres-removed-names.ts'
);
export const { userOf } = (await at('users/postgres-rows.js')) as typeof import(
  '../../src/users/postgres-rows.ts'
);
