/** Begins two tries in PostgreSQL, says so, and never ends them. */
import { createRequire } from 'node:module';
import { PostgresLimitCounts } from '../../../src/limits/postgres.ts';
import { limitOf } from '../limit-counts.ts';

const [, , pg = '', connectionString = '', table = '', key = ''] = process.argv;
const pool = new (createRequire(import.meta.url)(pg).Pool)({ connectionString });
const counts = new PostgresLimitCounts(pool, { table });
await counts.begin([limitOf(key)]);
await counts.begin([limitOf(key)]);
process.send?.('begun');
