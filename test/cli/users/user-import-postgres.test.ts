/**
 * Users move from the file to PostgreSQL and back, byte for byte. Skipped unless TEST_POSTGRES_URL
 * names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { removedNameLine, userLine } from '../../../src/cli/users/import-lines.ts';
import { PostgresUserStore } from '../../../src/index.ts';
import { ownDatabase, poolAt, skip } from '../../support/postgres.ts';
import { administrationOf, exported, HASH, imported, userOf } from '../../support/transfers.ts';
import { newPath, withStore } from '../../support/user-files.ts';
import { read } from '../../support/user-lines.ts';

/** A time in 2001. */
const REMOVED_AT = 1_000_000_000;

describe('users move between a file and PostgreSQL', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const openStore = async () => {
    const store = new PostgresUserStore(pool, { table: `users_${(tables += 1)}` });
    await store.createTable();
    return store;
  };

  after(() => pool.end());

  it('the file at the end is the file at the start, byte for byte', async () => {
    const [first, last] = [newPath(), newPath()];
    const ids = Array.from({ length: 1_005 }, (_, index) => `user${1_000 + index}`);
    const lines = [
      userLine(userOf('ann')),
      userLine(userOf('bob', `!${HASH}`)),
      userLine(userOf('joe', HASH, REMOVED_AT)),
      ...ids.map((id) => userLine(userOf(id))),
      userLine(userOf('\u540d\u524d')),
      userLine(userOf('\u{10428}')),
      ...ids.slice(0, 20).map((id) => removedNameLine({ id: `old-${id}`, removedAt: REMOVED_AT })),
    ].join('');
    const counts = { added: 1_010, present: 0, removedNames: 20, refused: 0, problems: [] };
    const store = await openStore();
    await withStore(first, async (file) => {
      assert.deepEqual(await imported(administrationOf(file), lines), counts);
      const ofFile = await exported(administrationOf(file));
      assert.equal(ofFile, lines);
      assert.deepEqual(await imported(administrationOf(store), ofFile), counts);
    });
    await withStore(last, async (file) => {
      const ofDatabase = await exported(administrationOf(store));
      assert.equal(ofDatabase, lines);
      await imported(administrationOf(file), ofDatabase);
    });
    // Up to the batches, which empty lines separate, and the order of the lines.
    const sorted = (path: string) => read(path).split('\n').filter((line) => line !== '').sort();
    assert.deepEqual(sorted(last), sorted(first));
  });

  it('an import that is run again, or beside another one, inserts each user once', async () => {
    const store = await openStore();
    const ids = Array.from({ length: 50 }, (_, index) => `user${index}`);
    const lines = [
      ...ids.map((id) => userLine(userOf(id))),
      ...ids.map((id) => removedNameLine({ id: `old-${id}`, removedAt: REMOVED_AT })),
    ].join('');
    const administration = administrationOf(store);
    const results = await Promise.all([
      imported(administration, lines),
      imported(administration, lines),
    ]);
    assert.deepEqual(results.flatMap(({ problems }) => problems), []);
    assert.equal(results.reduce((sum, { added }) => sum + added, 0), 50);
    assert.equal(results.reduce((sum, { present }) => sum + present, 0), 50);
    const again = await imported(administration, lines);
    const counts = { added: 0, present: 50, removedNames: 50, refused: 0, problems: [] };
    assert.deepEqual(again, counts);
    assert.equal((await store.listRemoved('old-', 1_000)).length, 50);
  });

  it('an import that the database has ended can be run again', async () => {
    const store = await openStore();
    await pool.query(`ALTER TABLE users_${tables} ADD CHECK (id <> 'eve')`, []);
    const lines = userLine(userOf('ann')) + userLine(userOf('eve')) + userLine(userOf('joe'));
    await assert.rejects(imported(administrationOf(store), lines), { code: 'ERR_STORE' });
    await pool.query(`ALTER TABLE users_${tables} DROP CONSTRAINT users_${tables}_id_check`, []);
    const result = await imported(administrationOf(store), lines);
    assert.deepEqual([result.refused, result.problems], [0, []]);
  });
});
