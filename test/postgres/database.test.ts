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

test('all tables are created before the probe, also if one cannot be created', async () => {
  for (const code of [undefined, DENIED, EXISTS_NOW]) {
    const [database, texts] = databaseWith(code === undefined ? {} : { first: code });
    const probe = async () => void (await database.run('probe'));
    await database.create(['first', 'second'], probe);
    assert.deepEqual(texts, ['first', 'second', 'probe']);
  }
});

test('the probe decides, and a missing table has the reason why it was not created', async () => {
  for (const [codes, reason] of [
    [{ second: DENIED, probe: MISSING }, DENIED],
    [{ first: DENIED, second: EXISTS_NOW, probe: MISSING }, DENIED],
    [{ probe: MISSING }, MISSING],
    [{ second: DENIED, probe: '42703' }, '42703'],
    [{ probe: DENIED }, DENIED],
  ] as const) {
    const [database] = databaseWith(codes);
    const probe = async () => void (await database.run('probe'));
    const created = database.create(['first', 'second'], probe);
    await assert.rejects(created, refusal('ERR_STORE', `error ${reason}`));
  }
});

test('a row that the store did not write is ERR_STORE with the problem', () => {
  assert.ok(refusal('ERR_STORE', 'not all of the type text')(wrongRow('not all of the type text')));
});
