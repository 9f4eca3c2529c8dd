/** A test by compiling: by its types, PostgresUserStore takes a pool and a client of pg. */
import pg from 'pg';
import { PostgresUserStore } from '../../src/index.ts';

export const stores = (): PostgresUserStore[] => [
  new PostgresUserStore(new pg.Pool()),
  new PostgresUserStore(new pg.Client(), { table: 'auth.users' }),
];
