/** A table that may be missing, without a database. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError } from '../../src/index.ts';
import { OptionalTable } from '../../src/postgres/optional-table.ts';

const MISSING = '42P01';

/** A table, and a clock of which the test sets the time. */
function tableWith() {
  let seconds = 0;
  const table = new OptionalTable(() => seconds);
  const ran: string[] = [];
  const failing = (code: string) =>
    Promise.reject(new AuthError('ERR_STORE', { cause: Object.assign(new Error(code), { code }) }));
  const statement = (name: string, code: string | undefined) => async () => {
    ran.push(name);
    return code === undefined ? name : failing(code);
  };
  return {
    table,
    setTime: (time: number) => void (seconds = time),
    run: (withCode?: string, withoutCode?: string) =>
      table.run(statement('with', withCode), statement('without', withoutCode)),
    ran,
  };
}

const withCode = (code: string) => (error: unknown) => Object(Object(error).cause).code === code;

test('a missing table is looked for again after 60 seconds, and not before', async () => {
  const { run, setTime, ran } = tableWith();
  assert.equal(await run(MISSING), 'without');
  setTime(59.9);
  assert.equal(await run(), 'without');
  assert.deepEqual(ran, ['with', 'without', 'without']);
  setTime(60);
  assert.equal(await run(), 'with');
  assert.equal(await run(), 'with');
});

test('each look at a table that is still missing counts for 60 seconds', async () => {
  const { run, setTime, ran } = tableWith();
  for (const time of [0, 60, 120]) {
    setTime(time);
    assert.equal(await run(MISSING), 'without');
    assert.equal(await run(MISSING), 'without');
  }
  assert.equal(ran.filter((name) => name === 'with').length, 3);
});

test('a table that was found is never taken for a missing one', async () => {
  const read = tableWith();
  assert.equal(await read.run(), 'with');
  await assert.rejects(read.run(MISSING), withCode(MISSING));
  const written = tableWith();
  assert.equal(await written.run(MISSING), 'without');
  written.table.setFound();
  assert.equal(await written.run(), 'with');
  await assert.rejects(written.run(MISSING), withCode(MISSING));
});

test('any other error is thrown, and so is that of another table that is missing', async () => {
  for (const code of ['42501', '40001', 'ECONNREFUSED']) {
    const { run, ran } = tableWith();
    await assert.rejects(run(code), withCode(code));
    assert.deepEqual(ran, ['with']);
    assert.equal(await run(), 'with');
  }
  const { run, ran } = tableWith();
  await assert.rejects(run(MISSING, MISSING), withCode(MISSING));
  assert.equal(await run(), 'with');
  assert.deepEqual(ran, ['with', 'without', 'with']);
});
