/** What an operator can do if the database of `--users` fails, by the error of pg. */
import { isIP } from 'node:net';
import { reasonOf } from '../../errors.ts';
import { propertyOf } from '../../values.ts';

const CHECK_DATABASE = 'Check that the database is running, and its host and port in the URL.';
const RENAME_TABLE =
  'Rename that table. A server whose role may create tables then makes another.';

/** The codes are those of Node and of PostgreSQL (its appendix A). */
const REMEDIES: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  // The store itself says which rights a removal needs.
  [/\bgrant this role\b/i, ''],
  [
    /client password must be a string/,
    'Set PGPASSWORD in the environment, or in the file of --environment.',
  ],
  [
    /permission denied for (?:table|relation)/,
    'Grant this role SELECT on the table that is named. A server, and each change of a user, ' +
      'needs INSERT and UPDATE too.',
  ],
  [
    /^42501$/,
    'Create the table that is named, and grant this role SELECT, INSERT and UPDATE on it.',
  ],
  // PgBouncer knows few parameters. An empty one is not sent.
  [
    /unsupported startup parameter: statement_timeout/,
    'PgBouncer needs a URL that ends in ?statement_timeout= or &statement_timeout=.',
  ],
  // Only a server, `add` and `import` create the tables.
  [/^42P01$/, 'Name the database of the server in the URL.'],
  [/^25006$/, 'Name the primary server of the database in the URL: this one only reads.'],
  [/^28P01$/, 'Check PGPASSWORD, and the username in the URL.'],
  [
    /^28000$/,
    'Check the username in the URL. If it is right, add a line for it to pg_hba.conf.',
  ],
  [
    /^53300$/,
    'Raise max_connections of the database, or stop some of its clients, and try again.',
  ],
  [
    /does not support SSL/,
    'Turn on TLS in the database, or leave sslmode out of the URL.',
  ],
  // It starts, stops, or recovers from a crash.
  [/^57P03$/, 'Wait until the database is ready, and see its log if that takes long.'],
  [/^3D000$/, 'Create the database, or name another one in the URL.'],
  [/^42703$/, RENAME_TABLE],
  [/^(?:22P02|42804)$/, 'Give all columns of the table the type text.'],
  [/^(?:ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|EAI_AGAIN)$/, CHECK_DATABASE],
  [/^(?:ECONNRESET|EPIPE|57P01|57P02)$/, CHECK_DATABASE],
  [/ECONNREFUSED|\btimeout\b|timed out|did not answer|connection terminated/i, CHECK_DATABASE],
];

/** @returns sentences; '' if the message of the error says already what to do */
export function postgresRemedyOf(error: unknown): string {
  const texts = [propertyOf(error, 'code'), propertyOf(error, 'message')].map(String);
  const row = REMEDIES.find(([pattern]) => texts.some((text) => pattern.test(text)));
  return row === undefined ? 'Check the URL of --users, and the log of the database.' : row[1];
}

/**
 * A server has created or found its tables at its start, so another program has removed this one.
 * @returns sentences about the table that is missing; undefined if the error has another reason
 */
export function lostTableRemedyOf(error: unknown): string | undefined {
  if (propertyOf(error, 'code') !== '42P01') return undefined;
  // Counts are forgotten within 65 minutes in any case, and logins make networks known again.
  const isOfLimits = /\blatchkey_limits/.test(reasonOf(error));
  return isOfLimits
    ? 'Create it and grant it to this role, or restart a server whose role may create tables.'
    : 'Restore it. Or restart a server whose role may create tables: the new table is empty.';
}

/** @returns sentences about the table of sessions, without which the server can start */
export function sessionsRemedyOf(error: unknown): string {
  return `${postgresRemedyOf(error)} Or start the server with --sessions off.`;
}

/**
 * A table of the rate limits that has other columns can make room for a new one: counts are
 * forgotten within 65 minutes in any case, and logins make networks known again.
 * @returns sentences about the tables of the rate limits, without which the server can start
 */
export function limitsRemedyOf(error: unknown): string {
  const isAboutTable = /^(?:22|42)\w{3}$/.test(String(propertyOf(error, 'code')));
  const remedy = isAboutTable
    ? RENAME_TABLE
    : postgresRemedyOf(error);
  return `${remedy} Or start the server with --throttle off.`;
}

/** @returns where the database is, without the username and the password of the URL */
export function locationOf({ username, hostname, host, pathname }: URL): string {
  // In `postgres://joe:1234/users` an operator may have meant `joe` as the username and `1234` as
  // the password. Then the port is left out. An address is not a username.
  const isAddress = hostname === 'localhost' || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  const place = `${username === '' && !isAddress ? hostname : host}${pathname}`;
  return place === '' ? 'in PostgreSQL' : `in PostgreSQL at ${place}`;
}
