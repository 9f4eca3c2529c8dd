/** Clients of several shapes under the stores in PostgreSQL, without a database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import {
  AuthError,
  PostgresSessionStore,
  PostgresUserStore,
  type PgClient,
} from '../../src/index.ts';
import { refusal, userNamed } from '../support/user-files.ts';

const KIND = 'a duck type of which only the name was checked:';

const JOE = userNamed('joe');
const ROW = {
  id: JOE.id,
  username: JOE.username,
  password_hash: JOE.passwordHash,
  created_at: JOE.createdAt,
  valid_after: null,
};

class Rows extends Array<object> {}

const driver = (result: unknown): PgClient['query'] => {
  return () => Promise.resolve(result as { rows: [] });
};

const ACCEPTED: Readonly<Record<string, (rows: object[]) => PgClient>> = {
  'an object with rows, as pg': (rows) => ({ query: driver({ rows, rowCount: rows.length }) }),
  'the rows themselves, as pg-promise': (rows) => ({ query: driver(rows) }),
  'rows in a subclass of Array': (rows) => ({ query: driver(Rows.from(rows)) }),
  'a function with the method, as Neon': (rows) => {
    return Object.assign(() => assert.fail(), { query: driver(rows) });
  },
  'an inherited method': (rows) => Object.create({ query: driver({ rows }) }),
};
for (const [what, clientOf] of Object.entries(ACCEPTED)) {
  test(`${KIND} a client is accepted whose query resolves to ${what}`, async () => {
    const full = new PostgresUserStore(clientOf([ROW]));
    assert.deepEqual(await full.find('joe'), JOE);
    assert.deepEqual([await full.insert(JOE), await full.update(JOE)], [true, true]);
    const empty = new PostgresUserStore(clientOf([]));
    assert.equal(await empty.find('joe'), undefined);
    assert.deepEqual([await empty.insert(JOE), await empty.update(JOE)], [false, false]);
    await empty.createTable();
  });
}

const ROWS = 'a query that resolves to { rows } or to an array of rows';
const MEMBERS = 'rows that are objects with a member for each column';

const REFUSED: readonly [result: unknown, expected: string, got: string][] = [
  [undefined, ROWS, 'undefined'],
  [null, ROWS, 'null'],
  [1, ROWS, '1'],
  ['marker', ROWS, 'a string'],
  [{}, ROWS, 'an object'],
  [{ rows: undefined }, ROWS, 'an object'],
  [{ rows: { 0: ROW, length: 1 } }, ROWS, 'an object'],
  [new Map([['rows', [ROW]]]), ROWS, 'an object of type Map'],
  [[Object.values(ROW)], MEMBERS, 'an array'],
  [{ rows: [Object.values(ROW)] }, MEMBERS, 'an array'],
  [['marker'], MEMBERS, 'a string'],
  [[undefined], MEMBERS, 'undefined'],
];
for (const [result, expected, got] of REFUSED) {
  const shown = JSON.stringify(result) ?? 'undefined';
  test(`${KIND} a query that resolves to ${shown} is a mistake of the program`, async () => {
    const store = new PostgresUserStore({ query: driver(result) });
    const message = `"client" expected ${expected}, got ${got}`;
    const calls = [
      () => store.find('joe'),
      () => store.insert(JOE),
      () => store.update(JOE),
      () => store.createTable(),
    ];
    for (const call of calls) await assert.rejects(call, { name: 'TypeError', message });
  });
}

test(`${KIND} a client that renames columns is told, and not the table`, async () => {
  const { password_hash: passwordHash, ...others } = ROW;
  const store = new PostgresUserStore({ query: driver([{ ...others, passwordHash }]) });
  const members = 'id, username, password_hash, created_at';
  const message = `"client" expected rows with the members ${members}, got other names`;
  await assert.rejects(store.find('joe'), { name: 'TypeError', message });
  const withNull = new PostgresUserStore({ query: driver([{ ...ROW, password_hash: null }]) });
  await assert.rejects(withNull.find('joe'), { code: 'ERR_STORE' });
});

test(`${KIND} a client that knows only the columns of version 0.1 is accepted`, async () => {
  const { valid_after: _, ...oldRow } = ROW;
  const store = new PostgresUserStore({ query: driver([oldRow]) });
  assert.deepEqual(await store.find('joe'), JOE);
  assert.deepEqual(await store.list(), [JOE]);
  for (const validAfter of [7, '-7', 'joe', true]) {
    const query = driver([{ ...oldRow, valid_after: validAfter }]);
    await assert.rejects(new PostgresUserStore({ query }).find('joe'), { code: 'ERR_STORE' });
  }
});

test('an error of the client stays an ERR_STORE', async () => {
  const store = new PostgresUserStore({ query: () => Promise.reject(new TypeError('closed')) });
  await assert.rejects(store.find('joe'), (error) => {
    assert.ok(error instanceof AuthError && error.code === 'ERR_STORE');
    const hint = '"client" failed with a TypeError: is it a client with query(text, values)?';
    assert.equal(Object(error.cause).message, `${hint} closed`);
    return true;
  });
});

test('a client that throws before it returns a promise is an ERR_STORE, at each read', async () => {
  const client: PgClient = {
    query: () => {
      throw new Error('not connected');
    },
  };
  const stores = [new PostgresUserStore(client), new PostgresSessionStore(client)];
  for (const store of stores) {
    for (let count = 0; count < 3; count += 1) {
      await assert.rejects(store.find('joe'), refusal('ERR_STORE', 'not connected'));
    }
  }
});

test('reads that never end hold up neither writes nor pages nor the check', async () => {
  const query: PgClient['query'] = (_text, values) => {
    return values.includes('hangs') ? new Promise(() => undefined) : Promise.resolve([]);
  };
  const users = new PostgresUserStore({ query });
  const sessions = new PostgresSessionStore({ query });
  for (const id of ['hangs', 'hangs', 'waits']) {
    void users.find(id);
    void sessions.find(id);
    await turn();
  }
  assert.equal(await users.insert(JOE), false);
  assert.equal(await sessions.put('joe', { version: 1, endedAt: 0, sessions: [] }), false);
  assert.deepEqual(await users.list(), []);
  await users.check();
  await sessions.check();
  await users.createTable();
  await sessions.createTable();
});

test('an error of the client without a message says so', async () => {
  for (const thrown of [new AggregateError([]), new Error('')]) {
    const store = new PostgresUserStore({ query: () => Promise.reject(thrown) });
    const message = 'the client threw an error without a message';
    await assert.rejects(store.find('joe'), ({ cause }) => Object(cause).message === message);
  }
});
