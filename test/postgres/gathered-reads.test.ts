/** Reads that share statements, over a database whose statements the test ends in any order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AuthError } from '../../src/errors.ts';
import type { Row } from '../../src/postgres/client.ts';
import { GatheredReads } from '../../src/postgres/gathered-reads.ts';
import { below, pick, type Random } from '../support/generators.ts';
import { randomFrom } from '../support/random.ts';

const errorWith = (code: string) => {
  return new AuthError('ERR_STORE', { cause: Object.assign(new Error(code), { code }) });
};

const REFUSED_VALUES = ['22P05', '22021', '22001'];
const CANCELED = '57014';
const READ_ONLY = '25006';

interface Statement {
  readonly ids: readonly string[];
  /** How many statements were sent and reads asked for up to it. */
  readonly sentAt: number;
  answer(rows?: readonly Row[]): void;
  fail(error: unknown): void;
}

/** Statements that end when the test says so. Each id that does not begin with `no` has a row. */
class Statements {
  readonly all: Statement[] = [];
  readonly underWay: Statement[] = [];
  time = 0;
  readonly reads = new GatheredReads('id', (ids) => this.#send(ids));

  #send(ids: string[]): Promise<readonly Row[]> {
    this.time += 1;
    const sentAt = this.time;
    const asked = new Set(ids);
    assert.ok(Number.isInteger(Math.log2(ids.length)) && asked.size <= 256, `${ids.length} ids`);
    assert.ok(asked.size > ids.length / 2, 'more padding than needed');
    return new Promise((resolve, reject) => {
      const end = () => this.underWay.splice(this.underWay.indexOf(statement), 1);
      const found = [...asked].filter((id) => !id.startsWith('no')).map((id) => ({ id, sentAt }));
      const statement = {
        ids,
        sentAt,
        answer: (rows: readonly Row[] = found) => {
          end();
          resolve(rows);
        },
        fail: (error: unknown) => {
          end();
          reject(error);
        },
      };
      this.all.push(statement);
      this.underWay.push(statement);
      assert.ok(this.underWay.length <= 2, 'more than two statements under way');
    });
  }

  /** Ends all statements, in the order in which they were sent, until none is under way. */
  async finish(end: (statement: Statement) => void = ({ answer }) => answer()): Promise<void> {
    await turn();
    for (let [next] = this.underWay; next !== undefined; [next] = this.underWay) {
      end(next);
      await turn();
    }
  }
}

/** Asks for random ids and ends random statements, and checks each answer. */
async function runSteps(random: Random): Promise<void> {
  const statements = new Statements();
  const ids = Array.from({ length: pick(random, [2, 20, 700]) }, (_, index) => {
    return `${random() < 0.2 ? 'no ' : ''}user${index}`;
  });
  const answers: Promise<void>[] = [];
  const ask = (id: string) => {
    statements.time += 1;
    const askedAt = statements.time;
    const read = statements.reads.read(id).then(
      (row) => {
        if (id.startsWith('no')) return assert.equal(row, undefined);
        assert.equal(row?.['id'], id);
        assert.ok(Number(row?.['sentAt']) > askedAt, `${id} got an answer from before`);
      },
      (error: unknown) => assert.equal(Object(error).code, 'ERR_STORE'),
    );
    answers.push(read);
  };
  for (let step = 0; step < 60; step += 1) {
    const kind = below(random, 6);
    if (kind === 0) await turn();
    else if (kind === 1) pick(random, statements.underWay)?.fail(errorWith(CANCELED));
    else if (kind < 4) pick(random, statements.underWay)?.answer();
    else Array.from({ length: below(random, 40) }, () => ask(pick(random, ids)));
  }
  await statements.finish();
  await Promise.all(answers);
  const last = statements.reads.read('last');
  await statements.finish();
  assert.equal((await last)?.['id'], 'last');
}

test('in any order, a read gets its row from a statement that was sent after it', async () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    await runSteps(randomFrom(seed)).catch((error: unknown) => {
      throw new Error(`does not hold for the seed ${seed}`, { cause: error });
    });
  }
});

test('a read alone is sent at once, the others of its turn share a statement', async () => {
  const statements = new Statements();
  const asked = ['eve', 'ann', 'joe', 'ann', 'bob'];
  const all = asked.map((id) => statements.reads.read(id));
  assert.deepEqual(statements.all.map(({ ids }) => ids), [['eve']]);
  await statements.finish();
  const ids = [['eve'], ['ann', 'joe', 'bob', 'bob']];
  assert.deepEqual(statements.all.map((statement) => statement.ids), ids);
  assert.deepEqual((await Promise.all(all)).map((row) => row?.['id']), asked);
});

test('reads behind promises of the same turn share that statement too', async () => {
  const statements = new Statements();
  const eve = statements.reads.read('eve');
  const ann = statements.reads.read('ann');
  const joe = Promise.resolve().then(() => statements.reads.read('joe'));
  await statements.finish();
  await Promise.all([eve, ann, joe]);
  assert.deepEqual(statements.all.map(({ ids }) => ids), [['eve'], ['ann', 'joe']]);
});

test('ids without a row take no further statement', async () => {
  const statements = new Statements();
  const reads = ['eve', 'no one', 'ann', 'nobody'].map((id) => statements.reads.read(id));
  await statements.finish();
  const found = (await Promise.all(reads)).map((row) => row?.['id']);
  assert.deepEqual(found, ['eve', undefined, 'ann', undefined]);
  assert.equal(statements.all.length, 2);
});

test('an id is asked for again while a statement with it is under way', async () => {
  const statements = new Statements();
  const first = statements.reads.read('joe');
  await turn();
  const second = statements.reads.read('joe');
  await statements.finish();
  assert.deepEqual(statements.all.map(({ ids }) => ids), [['joe'], ['joe']]);
  assert.deepEqual([(await first)?.['sentAt'], (await second)?.['sentAt']], [1, 2]);
});

test('a statement that never ends holds one of the two places', async () => {
  const statements = new Statements();
  const never = statements.reads.read('never');
  await turn();
  const [hanging] = statements.underWay;
  for (const id of ['ann', 'joe']) {
    const read = statements.reads.read(id);
    await turn();
    statements.underWay.at(-1)?.answer();
    assert.equal((await read)?.['id'], id);
  }
  hanging?.answer();
  assert.equal((await never)?.['id'], 'never');
});

test('a thousand reads at once take five statements', async () => {
  const statements = new Statements();
  const ids = Array.from({ length: 1000 }, (_, index) => `user${index}`);
  const rows = Promise.all(ids.map((id) => statements.reads.read(id)));
  await statements.finish();
  assert.deepEqual((await rows).map((row) => row?.['id']), ids);
  const lengths = statements.all.map((statement) => statement.ids.length);
  assert.deepEqual(lengths, [1, 256, 256, 256, 256]);
});

test('an id that the database refuses fails its own reads alone, in few statements', async () => {
  for (const [place, index] of [0, 100, 255].entries()) {
    const refused = errorWith(REFUSED_VALUES[place] ?? '');
    const endOf = ({ ids, answer, fail }: Statement) => {
      return ids.includes('bad') ? fail(refused) : answer();
    };
    const statements = new Statements();
    const ids = Array.from({ length: 255 }, (_, number) => `user${number}`);
    const first = statements.reads.read('first');
    const settled = Promise.allSettled(
      ids.toSpliced(index, 0, 'bad').map((id) => statements.reads.read(id)),
    );
    await statements.finish(endOf);
    await first;
    const failed = (await settled).map(({ status }) => status).indexOf('rejected');
    assert.equal(failed, index);
    assert.equal((await settled).filter(({ status }) => status === 'fulfilled').length, 255);
    assert.ok(statements.all.length <= 18, `${statements.all.length} statements`);
  }
});

test('an id that the database refuses fails no read that has waited', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const statements = new Statements();
  const refused = statements.reads.read('bad').catch(() => 'failed');
  const other = statements.reads.read('ann');
  await turn();
  const waiting = statements.reads.read('joe');
  now = 2000;
  statements.underWay[0]?.fail(errorWith('22P05'));
  await statements.finish();
  assert.equal(await refused, 'failed');
  assert.deepEqual([(await other)?.['id'], (await waiting)?.['id']], ['ann', 'joe']);
});

test('any other error fails all reads of the statement, and the next one works', async () => {
  const notRows = new TypeError('"client" expected rows');
  for (const error of [errorWith(CANCELED), errorWith(READ_ONLY), notRows, undefined]) {
    const statements = new Statements();
    const reads = ['eve', 'ann', 'joe'].map((id) => statements.reads.read(id));
    const settled = Promise.allSettled(reads);
    await statements.finish(({ ids, answer, fail }) => {
      if (ids.includes('eve')) answer();
      else fail(error);
    });
    const statuses = (await settled).map(({ status }) => status);
    assert.deepEqual(statuses, ['fulfilled', 'rejected', 'rejected']);
    assert.equal(statements.all.length, 2);
    const next = statements.reads.read('joe');
    await statements.finish();
    assert.equal((await next)?.['id'], 'joe');
  }
});

test('a statement that fails takes along the reads that have waited for a second', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const statements = new Statements();
  const ask = (id: string) => statements.reads.read(id).then(() => 'found', () => 'failed');
  const hanging = [ask('ann'), ask('joe')];
  await turn();
  const overdue = ask('eve');
  now = 2001;
  const fresh = ask('bob');
  now = 3000;
  const timeOut = errorWith(CANCELED);
  for (const { fail } of [...statements.underWay]) fail(timeOut);
  await turn();
  assert.deepEqual(await Promise.all([...hanging, overdue]), ['failed', 'failed', 'failed']);
  assert.deepEqual(statements.underWay.map(({ ids }) => ids), [['bob']]);
  await statements.finish();
  assert.equal(await fresh, 'found');
});

test('each caller gets a refusal of its own, with the reason', async () => {
  const statements = new Statements();
  const reads = ['joe', 'joe', 'ann'].map((id) => statements.reads.read(id));
  const settled = Promise.allSettled(reads);
  const error = errorWith(CANCELED);
  await statements.finish(({ fail }) => fail(error));
  const reasons = (await settled).map((result) => result.status === 'rejected' && result.reason);
  assert.equal(new Set(reasons).size, 3);
  for (const reason of reasons) {
    assert.ok(reason instanceof AuthError && reason.code === 'ERR_STORE');
    assert.equal(reason.cause, error.cause);
  }
});

test('the row of another id goes only to a read for which the database returns it', async () => {
  const statements = new Statements();
  const others = ['bob', 'eve', 'tom', 'sue'];
  const reads = ['ann', 'joe', 'no one', ...others].map((id) => statements.reads.read(id));
  const stray = { id: 'joe      ' };
  await statements.finish(({ ids, answer }) => {
    const own = ['ann', ...others].filter((id) => ids.includes(id)).map((id) => ({ id }));
    answer(ids.includes('joe') ? [stray, ...own, { id: 'joe  ' }] : own);
  });
  const rows = await Promise.all(reads);
  assert.deepEqual(rows, [{ id: 'ann' }, stray, undefined, ...others.map((id) => ({ id }))]);
  assert.equal(statements.all.length, 4, 'only what has no row is asked for again');
});

test('of two rows with one id the first counts', async () => {
  const statements = new Statements();
  const read = statements.reads.read('joe');
  await statements.finish(({ answer }) => answer([{ id: 'joe', first: true }, { id: 'joe' }]));
  assert.deepEqual(await read, { id: 'joe', first: true });
});

test('rows that throw fail their reads, and the place is free again', async () => {
  const statements = new Statements();
  const row = {
    get id(): string {
      throw new Error('a getter');
    },
  };
  for (let count = 0; count < 3; count += 1) {
    const read = statements.reads.read('joe');
    const refused = assert.rejects(read, /a getter/);
    await statements.finish(({ answer }) => answer([row]));
    await refused;
  }
  const read = statements.reads.read('joe');
  await statements.finish();
  assert.equal((await read)?.['id'], 'joe');
});
