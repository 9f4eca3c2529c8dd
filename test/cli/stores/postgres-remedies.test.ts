/** What an operator can do about a database that does not open. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  limitsRemedyOf,
  locationOf,
  postgresRemedyOf,
  sessionsRemedyOf,
} from '../../../src/cli/stores/postgres-remedies.ts';

const KIND = 'advice that cannot help:';

const ERRORS: readonly [code: string | undefined, message: string, remedy: RegExp][] = [
  [undefined, 'SASL: client password must be a string', /^Set PGPASSWORD/],
  [
    '42501',
    'table latchkey_users: permission denied for schema public',
    /^Create the table that is named, and grant .* SELECT, INSERT and UPDATE on it\.$/,
  ],
  [
    '42501',
    'table latchkey_users_removed: permission denied for table latchkey_users_removed',
    /^Grant this role SELECT on the table that is named\. A server,/,
  ],
  ['28P01', 'password authentication failed', /^Check PGPASSWORD, and the username/],
  ['28000', 'no pg_hba.conf entry for host "::1"', /^Check the username .* pg_hba\.conf\.$/],
  ['53300', 'remaining connection slots are reserved', /^Raise max_connections/],
  [undefined, 'The server does not support SSL connections', /^Turn on TLS in the database/],
  ['3D000', 'database does not exist', /^Create the database/],
  ['42P01', 'relation does not exist', /^Name the database of the server/],
  ['25006', 'read-only transaction', /^Name the primary server/],
  ['22P02', 'invalid input syntax', /the type text/],
  ['08P01', 'unsupported startup parameter: statement_timeout', /^PgBouncer needs a URL that ends/],
  ['57014', 'canceling statement due to statement timeout', /is running/],
  ['ENOTFOUND', 'getaddrinfo', /is running/],
  [undefined, 'timeout exceeded when trying to connect', /is running/],
  ['42P06', 'another problem', /^Check the URL of --users, and the log/],
];
for (const [code, message, remedy] of ERRORS) {
  test(`${KIND} to ${message}`, () => {
    const error = Object.assign(new Error(message), { code });
    const advice = postgresRemedyOf(error);
    assert.match(advice, remedy);
    assert.equal(sessionsRemedyOf(error), `${advice} Or start the server with --sessions off.`);
  });
}

test(`${KIND} nothing is added to the rights that a store has named`, () => {
  const message = 'permission denied for table latchkey_users. Grant this role DELETE on it';
  assert.equal(postgresRemedyOf(Object.assign(new Error(message), { code: '42501' })), '');
});

test(`${KIND} a table that lacks a column makes room for another`, () => {
  const error = Object.assign(new Error('column "version" does not exist'), { code: '42703' });
  assert.match(postgresRemedyOf(error), /^Rename that table\. .* then makes another\.$/);
});

test(`${KIND} a table of the rate limits makes room for a new one`, () => {
  const remedyOf = (code: string) => limitsRemedyOf(Object.assign(new Error('wrong'), { code }));
  const otherwise = 'Or start the server with --throttle off.';
  for (const code of ['42703', '42P10', '22P02']) {
    const advice = [
      'Rename that table.',
      'A server whose role may create tables then makes another.',
    ].join(' ');
    assert.equal(remedyOf(code), `${advice} ${otherwise}`);
  }
  assert.match(remedyOf('25006'), RegExp(`^Name the primary server .* ${otherwise}$`));
});

test(`${KIND} the location of a database has no password and is not empty`, () => {
  const LOCATIONS = {
    'postgres://joe:marker@host:5433/users': 'in PostgreSQL at host:5433/users',
    'postgres://joe:12345': 'in PostgreSQL at joe',
    'postgres://joe:12345/users': 'in PostgreSQL at joe/users',
    'postgres://joe@host:1/users': 'in PostgreSQL at host:1/users',
    'postgres://127.0.0.1:1/users': 'in PostgreSQL at 127.0.0.1:1/users',
    'postgres://[::1]:1/users': 'in PostgreSQL at [::1]:1/users',
    'postgres://localhost:5432/users': 'in PostgreSQL at localhost:5432/users',
    'postgresql://': 'in PostgreSQL',
  };
  for (const [url, location] of Object.entries(LOCATIONS)) {
    assert.equal(locationOf(new URL(url)), location);
  }
});
