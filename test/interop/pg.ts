/** It compiles, and that is the test: a pool and a client of pg, as their types have them, are what the store takes. */
import pg from 'pg';
import { PostgresUserStore } from '../../src/index.ts';

export const stores = (): PostgresUserStore[] => [
  new PostgresUserStore(new pg.Pool()),
  new PostgresUserStore(new pg.Client(), { table: 'auth.users' }),
];
