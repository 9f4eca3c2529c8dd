/** Names of tables and parameters in statements, and names of tables beside others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parameters, quoted, tableBeside, tableCheck } from '../../src/postgres/table.ts';

test('a name is quoted, so that its letter case counts and a keyword is a name', () => {
  assert.equal(quoted('users'), '"users"');
  assert.equal(quoted('Auth.select'), '"Auth"."select"');
});

test('a table beside another has its name and a suffix, in the same schema', () => {
  assert.equal(tableBeside('users', '_removed'), 'users_removed');
  assert.equal(tableBeside('auth.Users', '_removed'), 'auth.Users_removed');
  const longest = 'x'.repeat(55);
  assert.equal(tableBeside(`auth.${longest}`, '_removed'), `auth.${longest}_removed`);
});

test('a name that would be too long is shortened, and stays apart from all others', () => {
  const names = [56, 57, 62, 63].flatMap((length) => {
    return ['x'.repeat(length), `${'x'.repeat(length - 1)}y`, `${'x'.repeat(length - 1)}Y`];
  });
  const besides = names.map((name) => tableBeside(`${'s'.repeat(63)}.${name}`, '_removed'));
  const all = [...names, ...besides.map((name) => name.split('.')[1] ?? '')];
  assert.equal(new Set(all).size, 2 * names.length);
  for (const name of besides) {
    assert.match(name, /^s{63}\.x{42}_[0-9a-f]{12}_removed$/);
    assert.doesNotThrow(() => tableCheck('table', name));
  }
});

test('parameters are numbered from the first one on', () => {
  assert.equal(parameters(1), '$1');
  assert.equal(parameters(3, 4), '$4, $5, $6');
});
