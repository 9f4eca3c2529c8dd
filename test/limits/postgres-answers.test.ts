/** What counts send to the client of a database, and what they make of its answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PostgresLimitCounts, type PgClient } from '../../src/index.ts';
import { begin, limitOf } from '../support/limit-counts.ts';
import { HOUR } from '../support/limits.ts';
import { refusal } from '../support/user-files.ts';

test('a client without query, an unknown option and a bad table name are refused', () => {
  const client: PgClient = { query: async () => [] };
  for (const bad of [undefined, null, {}, { query: 1 }] as never[]) {
    assert.throws(() => new PostgresLimitCounts(bad), /^TypeError: "client" expected a client/);
  }
  for (const table of ['a b', 'a"b', '', 'a.b.c', 'x'.repeat(64)]) {
    assert.throws(() => new PostgresLimitCounts(client, { table }), /^TypeError: "table" expected/);
  }
  const wrong = { tabel: 'limits' } as never;
  assert.throws(() => new PostgresLimitCounts(client, wrong), /unknown option: did you mean/);
  for (const table of ['limits', 'auth.limits', 'x'.repeat(63)]) {
    assert.ok(new PostgresLimitCounts(client, { table }));
  }
});

test('the default tables are latchkey_limits and latchkey_limits_networks', async () => {
  const names = new Set<string>();
  const query: PgClient['query'] = async (text) => {
    for (const [name] of text.matchAll(/"\w+"/g)) names.add(name);
    return [];
  };
  await new PostgresLimitCounts({ query }).createTable();
  assert.deepEqual(names, new Set(['"latchkey_limits"', '"latchkey_limits_networks"']));
});

test('a client that returns other rows is refused, and no try begins', async () => {
  const countsOf = (rows: unknown) => {
    return new PostgresLimitCounts({ query: async () => rows as readonly never[] });
  };
  const limits = [limitOf('joe')];
  for (const rows of [undefined, 5, [5]]) {
    await assert.rejects(async () => countsOf(rows).begin(limits), /^TypeError: "client" expected/);
  }
  const wrong = refusal('ERR_STORE', 'the table of limits returned a "');
  await assert.rejects(async () => countsOf([{ key: 5 }]).begin(limits), wrong);
  assert.equal(typeof await countsOf([{ key: 'joe' }]).begin(limits), 'object');

  /** Counts whose limit is reached, by what this slot says. */
  const reachedBy = (slot: Record<string, unknown>) => {
    const query: PgClient['query'] = async (text) => (text.startsWith('SELECT') ? [slot] : []);
    return new PostgresLimitCounts({ query });
  };
  const slot = { key: 'joe', ended: '3', seconds_left: '9' };
  for (const number of ['', 'x', '-5', '5.5', '5 ', '1'.repeat(16), 5]) {
    for (const name of ['ended', 'seconds_left']) {
      await assert.rejects(reachedBy({ ...slot, [name]: number }).begin(limits), wrong);
    }
  }
  assert.equal(await reachedBy(slot).begin(limits), 9);
  const long = { ...slot, ended: '1'.repeat(15) };
  assert.equal(await reachedBy(long).begin(limits), 9);

  const wrongNetworks = refusal('ERR_STORE', 'networks has a row that is not a list of texts');
  for (const networks of ['7', '[7]', '["a",7]', '["a"', null, ['a']]) {
    await assert.rejects(countsOf([{ account: 'joe', networks }]).networksOf('joe'), wrongNetworks);
  }
  const ofAnother = countsOf([{ account: 'JOE', networks: '["a"]' }]);
  await assert.rejects(ofAnother.networksOf('joe'), wrongNetworks);
  assert.deepEqual(await ofAnother.networksOf('JOE'), ['a']);
  await assert.rejects(countsOf(5).addNetwork('joe', 'a'), /^TypeError: "client" expected/);
});

test('a try whose end throws holds no place', async () => {
  const results = [[{ key: 'joe' }], 5, [{ key: 'joe' }]];
  const query: PgClient['query'] = async (text) => {
    return (text.startsWith('DELETE') || text.includes('stale') ? [] : results.shift()) as never[];
  };
  const counts = new PostgresLimitCounts({ query });
  const begun = await begin(counts, limitOf('joe', 1));
  assert.equal(await counts.begin([limitOf('joe', 1)]), 1, 'without a statement');
  await assert.rejects(async () => begun.end(false), /^TypeError: "client" expected/);
  await begin(counts, limitOf('joe', 1));
});

test('a try that was refused for tries that have just ended waits a second', async () => {
  const counts = new PostgresLimitCounts({ query: async () => [] });
  assert.equal(await counts.begin([limitOf('joe')]), 1);
});

test('a try that one of two limits counts is taken back there, and waits a second', async () => {
  const changed: string[][] = [];
  const query: PgClient['query'] = async (text, [value = ''] = []) => {
    if (!text.includes('INSERT')) return [];
    await nextTurn();
    changed.push(JSON.parse(value).map(({ key }: { key: string }) => key));
    return [{ key: 'joe' }];
  };
  const counts = new PostgresLimitCounts({ query });
  assert.equal(await counts.begin([limitOf('joe'), limitOf('ann')]), 1);
  assert.deepEqual(changed, [['joe', 'ann'], ['joe']]);
});

test('the statements of a try hold its id, and a try that does not count adds nothing', async () => {
  for (const isCounted of [true, false]) {
    const changes: Record<string, unknown>[] = [];
    const query: PgClient['query'] = async (text, [value = ''] = []) => {
      if (!text.includes('INSERT')) return [];
      changes.push(...JSON.parse(value));
      return [{ key: 'joe' }];
    };
    await (await begin(new PostgresLimitCounts({ query }), limitOf('joe'))).end(isCounted);
    const unchanged = { key: 'joe', window_seconds: HOUR, max_tries: null, begun_id: null };
    const id = changes[0]?.['begun_id'];
    assert.match(String(id), /^[\da-f-]{36}$/);
    assert.deepEqual(changes, [
      { ...unchanged, max_tries: 3, begun_id: id, ended_id: null, ended: 0 },
      { ...unchanged, ended_id: id, ended: isCounted ? 1 : 0 },
    ]);
  }
});

test('a slot far ahead under one of two limits is moved before the wait is told', async () => {
  const statements: string[] = [];
  const query: PgClient['query'] = async (text) => {
    const isRead = text.startsWith('SELECT');
    if (isRead || text.includes('INSERT')) statements.push(isRead ? 'read' : 'change');
    const secondsLeft = statements.length < 3 ? 7501 : 7500;
    const oldest = { key: 'joe', ended: '0', seconds_left: '9' };
    const slot = { key: 'joe', ended: '3', seconds_left: `${secondsLeft}` };
    return isRead ? [oldest, slot] : [];
  };
  const counts = new PostgresLimitCounts({ query });
  assert.equal(await counts.begin([limitOf('joe'), limitOf('ann')]), 7500);
  assert.deepEqual(statements, ['change', 'read', 'change', 'read']);
  assert.equal(await new PostgresLimitCounts({ query }).begin([limitOf('joe')]), 7500);
  assert.deepEqual(statements.slice(4), ['change', 'read']);
});

test('tries run at most four statements at a time, and a pool has places for others', async () => {
  const answers: ((rows: readonly never[]) => void)[] = [];
  const query: PgClient['query'] = () => new Promise((resolve) => answers.push(resolve));
  const counts = new PostgresLimitCounts({ query });
  const begun = Array.from({ length: 9 }, (_, index) => counts.begin([limitOf(`${index}`)]));
  const running: number[] = [];
  for (let ended = 0; ended < 18; ended += 1) {
    await nextTurn();
    running.push(answers.length - ended);
    answers[ended]?.([]);
  }
  assert.deepEqual(await Promise.all(begun), Array(9).fill(1));
  assert.deepEqual(running.slice(0, 14), Array(14).fill(4));
});

test('stale rows are removed every 60 seconds, and what fails is tried again', async (t) => {
  let seconds = 5000;
  t.mock.method(performance, 'now', () => seconds * 1000);
  let deletions = 0;
  const query: PgClient['query'] = async (text) => {
    if (!text.includes('DELETE')) return [];
    deletions += 1;
    throw new Error('the database is away');
  };
  const counts = new PostgresLimitCounts({ query });
  for (const [pause, expected] of [
    [0, 1],
    [0, 1],
    [59.99, 1],
    [0.01, 2],
    [59.99, 2],
    [0.01, 3],
  ] as const) {
    seconds += pause;
    await counts.begin([limitOf('joe')]);
    assert.equal(deletions, expected, `at ${seconds} s`);
  }
});
