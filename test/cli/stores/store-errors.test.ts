/** The errors of an open store in the log: which store, why, what to do, and not once a request. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorLog, storeRemedyOf } from '../../../src/cli/stores/store-errors.ts';
import type { StoreChoice } from '../../../src/cli/stores/store-choice.ts';
import { AuthError } from '../../../src/index.ts';

const DATABASE = new URL('postgres://joe:marker@db.example/users');
const CHECK = 'Check that the database is running, and its host and port in the URL.';

function storeError(message: string, code?: string): AuthError {
  return new AuthError('ERR_STORE', { cause: Object.assign(new Error(message), { code }) });
}

/** @returns a log over a clock that the test sets, and its lines */
function setup(users: StoreChoice) {
  const lines: string[] = [];
  const clock = { nowMs: 5 };
  const log = errorLog((event, detail) => lines.push(`${event} ${detail}`), users, () => {
    return clock.nowMs;
  });
  return { lines, clock, log };
}

test('the error of a store is one line with the store, the reason and what to do', () => {
  const lost = 'relation "latchkey_limits_networks" does not exist';
  const full = 'data/users.jsonl cannot be written: ENOSPC: no space left on device, write';
  const ROWS: readonly [users: StoreChoice, error: AuthError, line: string][] = [
    [
      DATABASE,
      storeError('connect ECONNREFUSED 192.0.2.1:5432', 'ECONNREFUSED'),
      `connect ECONNREFUSED 192.0.2.1:5432. ${CHECK}`,
    ],
    [DATABASE, storeError('Connection terminated'), `Connection terminated. ${CHECK}`],
    [
      DATABASE,
      storeError('a store did not answer the health check within 2000 ms'),
      `a store did not answer the health check within 2000 ms. ${CHECK}`,
    ],
    [
      DATABASE,
      storeError('the database system is starting up', '57P03'),
      'the database system is starting up. Wait until the database is ready, and see its log if ' +
        'that takes long.',
    ],
    [
      DATABASE,
      storeError(lost, '42P01'),
      `${lost}. Create it and grant it to this role, or restart a server whose role may create ` +
        'tables.',
    ],
    [
      DATABASE,
      storeError('relation "latchkey_users" does not exist', '42P01'),
      'relation "latchkey_users" does not exist. Restore it. Or restart a server whose role may ' +
        'create tables: the new table is empty.',
    ],
    ['file', storeError(full, 'ENOSPC'), `${full}. Free disk space or inodes, or move the data ` +
      'folder to another disk.'],
    ['memory', storeError('the hash was another one'), 'the hash was another one'],
  ];
  for (const [users, error, line] of ROWS) {
    const { lines, log } = setup(users);
    log(error);
    const subject = users instanceof URL ? 'store in PostgreSQL at db.example/users: ' : '';
    assert.deepEqual(lines, [`error ${subject}${line}`]);
  }
});

test('an error of a store is logged once in 10 seconds, with the number of its repeats', () => {
  const { lines, clock, log } = setup('memory');
  for (let requests = 0; requests < 300; requests += 1) log(storeError('away'));
  log(storeError('another reason'));
  clock.nowMs += 9_999;
  log(storeError('away'));
  assert.deepEqual(lines, ['error away', 'error another reason']);
  clock.nowMs += 1;
  log(storeError('away'));
  log(storeError('away'));
  assert.deepEqual(lines.slice(2), ['error away (300 more since the last such line)']);
  clock.nowMs += 10_000;
  log(storeError('another reason'));
  assert.deepEqual(lines.slice(3), ['error another reason']);
});

test('an error that is a mistake in the code keeps its stack', () => {
  const inStore = new AuthError('ERR_STORE', { cause: new TypeError('a mistake') });
  for (const error of [new TypeError('a mistake'), new Error('a mistake'), inStore]) {
    const { lines, log } = setup(DATABASE);
    log(error);
    assert.equal(lines.length, 1);
    assert.match(lines.join(), /^error (?:Type)?Error: a mistake\n +at .*store-errors\.test/);
  }
});

test('a command gets the same advice, of a running server also from its text alone', () => {
  assert.equal(storeRemedyOf(new Error('connect ECONNREFUSED'), DATABASE), CHECK);
  const sent = new Error('users.jsonl cannot be written: EIO: i/o error, fdatasync');
  assert.match(storeRemedyOf(sent, 'file'), /^Check the disk and the log of the system, or move /);
  assert.equal(storeRemedyOf(new Error('users.jsonl is damaged'), 'file'), '');
});
