/** A test by compiling: by their types, the stores in PostgreSQL take these clients. */
import pg from 'pg';
import pgPromise from 'pg-promise';
import { PostgresSessionStore, PostgresUserStore } from '../../src/index.ts';

/** The driver of Neon for HTTP, as version 1 declares it. */
declare const neon: {
  (strings: TemplateStringsArray, ...values: unknown[]): Promise<Record<string, unknown>[]>;
  query(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
};

export const stores = (): PostgresUserStore[] => [
  new PostgresUserStore(new pg.Pool()),
  new PostgresUserStore(new pg.Client(), { table: 'auth.users' }),
  new PostgresUserStore(pgPromise()('')),
  new PostgresUserStore(neon),
];

export const sessionStores = (): PostgresSessionStore[] => [
  new PostgresSessionStore(new pg.Pool()),
  new PostgresSessionStore(pgPromise()(''), { table: 'auth.sessions' }),
  new PostgresSessionStore(neon),
];
