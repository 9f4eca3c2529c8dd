/** Statements over a client, and the creation of tables, without a database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Database, wrongRow } from '../../src/postgres/database.ts';
import { allSaid } from '../support/assertions.ts';
import { MARKER } from '../support/tokens.ts';
import { refusal } from '../support/user-files.ts';

const errorWith = (code: string) => Object.assign(new Error(`error ${code}`), { code });

/** @returns a database whose statements fail with these codes, and all texts that it got */
function databaseWith(codes: Readonly<Record<string, string>>): [Database, string[]] {
  const texts: string[] = [];
  const database = new Database({
    query: async (text) => {
      texts.push(text);
      const code = codes[text];
      if (code !== undefined) throw errorWith(code);
      return { rows: [] };
    },
  });
  return [database, texts];
}

const MISSING = '42P01';
const DENIED = '42501';
const EXISTS_NOW = '23505';
const NOT_SERIALIZABLE = '40001';
const FAILED_TRANSACTION = '25P02';

test('a statement gets its values, and its rows are returned', async () => {
  const calls: unknown[] = [];
  const database = new Database({
    query: async (text, values) => {
      calls.push([text, values]);
      return [{ id: 'joe' }];
    },
  });
  assert.deepEqual(await database.run('SELECT $1', ['joe']), [{ id: 'joe' }]);
  assert.deepEqual(await database.run('SELECT 1'), [{ id: 'joe' }]);
  assert.deepEqual(calls, [['SELECT $1', ['joe']], ['SELECT 1', []]]);
});

test('an error of the client is ERR_STORE, and its cause holds no value', async () => {
  const database = new Database({
    query: () => Promise.reject(new Error(`invalid "${MARKER}"`)),
  });
  await assert.rejects(database.run('SELECT $1', [MARKER]), (error: unknown) => {
    assert.ok(!allSaid(error).includes(MARKER));
    return refusal('ERR_STORE', 'invalid "..."')(error);
  });
});

/** @returns how a client answers: an error with each of these codes in turn, then no rows */
function databaseAfter(...codes: string[]): [Database, string[]] {
  const ran: string[] = [];
  const database = new Database({
    query: async (text) => {
      const code = codes[ran.length];
      ran.push(text);
      if (code !== undefined) throw errorWith(code);
      return { rows: [{ text }] };
    },
  });
  return [database, ran];
}

test('a statement is tried again if another one at the same time broke it off', async () => {
  const [database, ran] = databaseAfter(...Array(5).fill(NOT_SERIALIZABLE));
  assert.deepEqual(await database.run('UPDATE'), [{ text: 'UPDATE' }]);
  assert.equal(ran.length, 6);
});

test('it is not tried for ever, and after no other error', async () => {
  const [unlucky, tries] = databaseAfter(...Array(1000).fill(NOT_SERIALIZABLE));
  await assert.rejects(unlucky.run('UPDATE'), refusal('ERR_STORE', `error ${NOT_SERIALIZABLE}`));
  assert.equal(tries.length, 30);
  for (const code of [DENIED, MISSING, EXISTS_NOW, '40003', '40P01', '57014', 'ECONNRESET']) {
    const [database, ran] = databaseAfter(code);
    await assert.rejects(database.run('UPDATE'), refusal('ERR_STORE', `error ${code}`));
    assert.equal(ran.length, 1, code);
  }
});

test('within a transaction of the caller the first error is reported', async () => {
  const [database, ran] = databaseAfter(NOT_SERIALIZABLE, FAILED_TRANSACTION);
  await assert.rejects(database.run('UPDATE'), refusal('ERR_STORE', `error ${NOT_SERIALIZABLE}`));
  assert.equal(ran.length, 2);
  const [failed] = databaseAfter(FAILED_TRANSACTION);
  await assert.rejects(failed.run('UPDATE'), refusal('ERR_STORE', `error ${FAILED_TRANSACTION}`));
});

const CREATION = 'CREATE TABLE IF NOT EXISTS "auth"."t" (id text)';
const created = (database: Database) =>
  database.create('auth.t', 'id text', async () => void (await database.run('probe')));

test('a table is created before the probe, also if it cannot be created', async () => {
  for (const code of [undefined, DENIED, EXISTS_NOW]) {
    const [database, texts] = databaseWith(code === undefined ? {} : { [CREATION]: code });
    await created(database);
    assert.deepEqual(texts, [CREATION, 'probe']);
  }
});

test('the probe decides, and a missing table has the reason why it was not created', async () => {
  for (const [creation, probe, reason] of [
    [DENIED, MISSING, `table auth.t: error ${DENIED}`],
    ['57014', MISSING, 'error 57014'],
    [undefined, MISSING, `table auth.t: error ${MISSING}`],
    [DENIED, '42703', 'table auth.t: error 42703'],
    [DENIED, '22P02', 'table auth.t: error 22P02'],
    [undefined, DENIED, `table auth.t: error ${DENIED}`],
    ['ECONNREFUSED', 'ECONNREFUSED', 'error ECONNREFUSED'],
    ['28P01', '28P01', 'error 28P01'],
  ] as const) {
    const codes = creation === undefined ? { probe } : { [CREATION]: creation, probe };
    await assert.rejects(created(databaseWith(codes)[0]), ({ code, cause }) => {
      assert.deepEqual([code, cause.message], ['ERR_STORE', reason]);
      return cause.code === /\w+$/.exec(reason)?.[0];
    });
  }
});

test('a row that the store did not write is ERR_STORE with the problem', () => {
  assert.ok(refusal('ERR_STORE', 'not all of the type text')(wrongRow('not all of the type text')));
});
