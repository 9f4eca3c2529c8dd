/** What the servers of the benchmark over PostgreSQL share: users, tables and pools. */
import pg from 'pg';
import type { PgClient, User } from '../../src/index.ts';
import { Jwt } from '../harness/built.ts';
import { URL_VARIABLE } from '../harness/database.ts';
import { SECRET } from '../harness/secret.ts';
import { bearer, storedUser, type HelloUser } from './hello-child.ts';

/** Long enough for the whole benchmark. */
export const LIFETIME_SECONDS = 3600;

/** All users. Two digits make all names equally long. */
export const USERS: readonly User[] = Array.from({ length: 50 }, (_, index) => {
  return storedUser(`user${10 + index}`);
});

/** The tables of the benchmark, in a schema of their own. */
export interface Tables {
  readonly users: string;
  readonly removedNames: string;
  readonly sessions: string;
}

export function tablesIn(schema: string): Tables {
  return {
    users: `${schema}.users`,
    removedNames: `${schema}.users_removed`,
    sessions: `${schema}.sessions`,
  };
}

/** Every server has ten connections to the database. */
export function openPool(): pg.Pool & PgClient {
  return new pg.Pool({ connectionString: process.env[URL_VARIABLE], max: 10 });
}

/** @returns all users, each with a token without a session */
export function withoutSessions(): HelloUser[] {
  const jwt = new Jwt({ secret: SECRET, lifetimeSeconds: LIFETIME_SECONDS });
  return USERS.map(({ id }) => ({ name: id, proof: bearer(jwt.sign({ identity: id })) }));
}
