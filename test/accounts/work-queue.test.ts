/**
 * How clients share the queue for scrypt: they start in round robin, and a flood loses its places
 * to other clients. A job of the first part ends when the test says so. The last part counts the
 * runs of scrypt that a PasswordHasher starts.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { WorkQueue } from '../../src/accounts/work-queue.ts';
import { AuthError, PasswordHasher, type PasswordHasherOptions } from '../../src/index.ts';
import { verdictOf } from '../support/assertions.ts';
import { childPath } from '../support/compiled.ts';
import { callsOf } from '../support/spies.ts';
import { collectGarbage } from '../support/garbage.ts';
import { randomFrom } from '../support/random.ts';
import { withApp } from '../support/app.ts';

/** A queue whose jobs end one after the other, and the outcome of each. */
class WatchedQueue {
  /** The names of jobs, in the order in which they started. */
  readonly started: string[] = [];
  /** The names of jobs that were refused. */
  readonly refused: string[] = [];
  readonly #queue: WorkQueue;
  readonly #ends: (() => void)[] = [];

  constructor(maxConcurrent: number, maxQueued: number) {
    this.#queue = new WorkQueue(maxConcurrent, maxQueued);
  }

  get running(): number {
    return this.#ends.length;
  }

  /** Puts a job into the queue, named after its client. */
  add(client: string, kind = 'verify', signal?: AbortSignal): void {
    const run = async () => {
      this.started.push(client);
      await new Promise<void>((resolve) => this.#ends.push(resolve));
    };
    void this.#queue.run({ client, kind }, run, signal).catch((error: unknown) => {
      const isRefusal = error instanceof AuthError;
      assert.ok(isRefusal && ['ERR_BUSY', 'ERR_ABORTED'].includes(error.code));
      this.refused.push(client);
    });
  }

  addMany(count: number, client: string, kind?: string): void {
    for (let index = 0; index < count; index += 1) this.add(client, kind);
  }

  /** Ends the job that has run longest, and lets the next one start. */
  async endOne(): Promise<void> {
    this.#ends.shift()?.();
    await nextTurn();
  }

  async endAll(): Promise<void> {
    while (this.#ends.length > 0) await this.endOne();
  }
}

const times = (count: number, name: string) => Array<string>(count).fill(name);

test('one client alone can use every place', async () => {
  const queue = new WatchedQueue(2, 7);
  queue.addMany(10, 'a');
  await nextTurn();
  assert.deepEqual([queue.running, queue.refused], [2, ['a']]);
  await queue.endAll();
  assert.deepEqual(queue.started, times(9, 'a'));
});

test('jobs that share one owner object count one by one', async () => {
  const queue = new WorkQueue(2, 0);
  const owner = { client: 'a', kind: 'verify' };
  const jobs = Array.from({ length: 3 }, () => queue.run(owner, () => nextTurn()));
  const outcomes = await Promise.allSettled(jobs);
  assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'fulfilled', 'rejected']);
});

test('in a queue full of one client, a newcomer displaces its newest job and is next', async () => {
  const queue = new WatchedQueue(1, 8);
  queue.addMany(9, 'flood');
  queue.add('b');
  await nextTurn();
  assert.deepEqual(queue.refused, ['flood']);
  await queue.endOne();
  assert.deepEqual(queue.started, ['flood', 'b']);
  await queue.endAll();
  assert.deepEqual(queue.started, ['flood', 'b', ...times(7, 'flood')]);
});

test('two clients that want every place get half of them each, and take turns', async () => {
  const queue = new WatchedQueue(1, 9);
  queue.addMany(10, 'a');
  queue.addMany(10, 'b');
  await nextTurn();
  const refusedOfA = queue.refused.filter((name) => name === 'a');
  assert.deepEqual([refusedOfA.length, queue.refused.length], [5, 10]);
  await queue.endAll();
  assert.deepEqual(queue.started, ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']);
});

test('a client waits for at most one job of each other client', async () => {
  const queue = new WatchedQueue(1, 100);
  queue.addMany(50, 'a');
  queue.addMany(30, 'b');
  queue.add('c');
  await nextTurn();
  for (let round = 0; round < 3; round += 1) await queue.endOne();
  assert.ok(queue.started.slice(0, 4).includes('c'), queue.started.slice(0, 4).join());
  queue.add('c');
  for (let round = 0; round < 3; round += 1) await queue.endOne();
  assert.equal(queue.started.filter((name) => name === 'c').length, 2);
  await queue.endAll();
});

test('clients that keep coming back do not delay a client that came before', async () => {
  const queue = new WatchedQueue(1, 10);
  queue.addMany(2, 'a');
  queue.add('b');
  queue.add('c');
  await nextTurn();
  for (let round = 0; round < 6; round += 1) {
    await queue.endOne();
    const ended = queue.started.at(-2);
    if (ended !== 'a') queue.add(ended ?? '');
  }
  assert.equal(queue.started.filter((name) => name === 'a').length, 2, queue.started.join());
  await queue.endAll();
});

test('a flood cannot displace a client with fewer places by jobs of another kind', async () => {
  const queue = new WatchedQueue(1, 8);
  queue.addMany(8, 'flood', 'verify');
  queue.add('b', 'verify');
  queue.addMany(20, 'flood', 'hash');
  await nextTurn();
  assert.deepEqual(new Set(queue.refused), new Set(['flood']));
  await queue.endAll();
  assert.equal(queue.started.filter((name) => name === 'b').length, 1);
});

test('signups and logins of many clients with one job each get half of the places', async () => {
  const queue = new WatchedQueue(1, 10);
  for (let index = 0; index < 11; index += 1) queue.add(`login ${index}`, 'verify');
  for (let index = 0; index < 11; index += 1) queue.add(`signup ${index}`, 'hash');
  await queue.endAll();
  const signups = queue.started.filter((name) => name.startsWith('signup'));
  assert.deepEqual([queue.started.length, signups.length], [11, 5]);
});

test('a job that is aborted frees its place, wherever it waits', async () => {
  for (const given of [0, 1, 2]) {
    const queue = new WatchedQueue(1, 3);
    const controllers = Array.from({ length: 3 }, () => new AbortController());
    queue.add('a');
    for (const [index, { signal }] of controllers.entries()) {
      queue.add(`b${index}`, 'verify', signal);
    }
    controllers[given]?.abort();
    queue.add('c');
    await queue.endAll();
    assert.deepEqual(queue.refused, [`b${given}`]);
    assert.equal(queue.started.length, 4);
  }
});

test('the bounds hold, every job ends, and a flood displaces no single jobs', async () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomFrom(seed);
    const maxConcurrent = 1 + Math.floor(random() * 3);
    const maxQueued = 2 + Math.floor(random() * 8);
    const queue = new WatchedQueue(maxConcurrent, maxQueued);
    let added = 0;
    for (let step = 0; step < 100; step += 1) {
      const client = random() < 0.7 ? 'flood' : `client ${(added += 1)}`;
      queue.add(client, random() < 0.5 ? 'hash' : 'verify');
      await nextTurn();
      assert.ok(queue.running <= maxConcurrent);
      if (random() < 0.6) await queue.endOne();
    }
    await queue.endAll();
    assert.equal(queue.started.length + queue.refused.length, 100);
    const refusedOnce = queue.refused.filter((name) => name !== 'flood');
    assert.ok(refusedOnce.length <= added / 4, `seed ${seed}: ${refusedOnce.length} of ${added}`);
  }
});

test('a client without a job takes no memory', async () => {
  const queue = new WorkQueue(1, 10);
  const sizeAfter = async (clients: number) => {
    for (let index = 0; index < clients; index += 1) {
      await queue.run({ client: `client ${index}`, kind: 'verify' }, async () => undefined);
    }
    await collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  // The first clients also compile code, and free what earlier tests left.
  const before = await sizeAfter(10_000);
  const grown = (await sizeAfter(100_000)) - before;
  assert.ok(grown < 3e6, `${grown} bytes`);
  // Keeps the queue itself alive until here.
  await queue.run({ client: 'last', kind: 'verify' }, async () => undefined);
});

/** A login or a signup from another address of this machine. @returns its status */
function post(
  port: number,
  path: string,
  localAddress: string,
  username: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const options = {
      port,
      host: '127.0.0.1',
      localAddress,
      method: 'POST',
      path,
      headers,
      agent: false,
    };
    const sent = request(options, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', reject).end(JSON.stringify({ username, password: 'correct horse' }));
  });
}

const isLinux = process.platform === 'linux';
const skip = !isLinux && 'only on Linux is every address of 127.0.0.0/8 local';

test('one client with many logins in flight keeps no other client out', { skip }, async () => {
  const CASES = [
    [1, 1, 8],
    [2, 2, 16],
  ] as const;
  for (const [accounts, maxConcurrent, maxQueued] of CASES) {
    const passwords = new PasswordHasher({ logN: 10, maxConcurrent, maxQueued });
    await withApp({ passwords }, async ({ port }) => {
      for (const username of ['victim', 'attacker0', 'attacker1']) {
        assert.equal(await post(port, '/signup', '127.0.0.3', username), 200);
      }
      let isOver = false;
      let attacks = 0;
      const attack = async (index: number) => {
        while (!isOver) {
          await post(port, '/auth', '127.0.0.2', `attacker${index % accounts}`);
          attacks += 1;
        }
      };
      // Each keeps one login in flight. Together they hold every place.
      const places = maxConcurrent + maxQueued;
      const attackers = Array.from({ length: places }, (_, index) => attack(index));
      const statuses: number[] = [];
      while (attacks < 50) await nextTurn();
      for (let round = 0; round < 12; round += 1) {
        statuses.push(await post(port, '/auth', '127.0.0.1', 'victim'));
        statuses.push(await post(port, '/signup', '127.0.0.1', `victim${round}`));
      }
      isOver = true;
      await Promise.all(attackers);
      assert.deepEqual(statuses, Array(24).fill(200));
    });
  }
});

function aborter() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

/** What a promise comes to: its value, or the code of the AuthError. */
const outcome = (promise: Promise<unknown>) =>
  promise.catch((error) => verdictOf(() => assert.fail(error as Error)));

test('no more runs of scrypt than maxConcurrent go on at once, first come first served', async () => {
  const usual = Math.min(availableParallelism(), 3);
  const limits = [[{ maxConcurrent: 1 }, 1], [{ maxConcurrent: 2 }, 2], [{}, usual]] as const;
  for (const [options, most] of limits) {
    const own = new PasswordHasher({ logN: 1, maxQueued: 20, ...options });
    const passwords = Array.from({ length: 12 }, (_, n) => `password ${n}`);
    for (let round = 0; round < 3; round += 1) {
      const runs = await callsOf('scrypt', async (calls) => {
        const all = passwords.map((password) => own.hash(password));
        // No run ends before control goes back to the event loop, so these began together.
        for (let turn = 0; turn < 20; turn += 1) await undefined;
        assert.equal(calls.length, most);
        await Promise.all(all);
      });
      assert.deepEqual(runs.map(([password]) => password), passwords);
    }
  }
});

test('a full queue refuses with ERR_BUSY at once, without work, and each end makes room again', async () => {
  for (const [options, room] of [
    [{ maxConcurrent: 1, maxQueued: 0 }, 1],
    [{ maxConcurrent: 2, maxQueued: 3 }, 5],
    [{ maxConcurrent: 1, maxQueued: 30 }, 31],
  ] as const) {
    const own = new PasswordHasher({ logN: 1, ...options });
    for (const [password, expected] of [['x', room], ['\ud800', 0], ['y', room]] as const) {
      const order: string[] = [];
      const runs = await callsOf('scrypt', () => {
        const taken = Array.from(
          { length: room },
          () => outcome(own.hash(password)).then(() => order.push('taken')),
        );
        const busy = [own.hash('z'), own.hash('z')].map((job) => {
          const headers = { 'Error-Code': 'ERR_BUSY', 'Retry-After': '5' };
          const isBusy = { code: 'ERR_BUSY', status: 503, headers };
          return assert.rejects(job, isBusy).then(() => order.push('busy'));
        });
        return Promise.all([...taken, ...busy]);
      });
      assert.equal(runs.length, expected);
      // Only real work gives way to later refusals. A password refused at once may come first.
      if (expected > 0) assert.deepEqual(order.slice(0, 2), ['busy', 'busy']);
    }
  }
});

test('without maxQueued as many wait as begin within a few seconds, whatever the cost', async () => {
  const rows = [
    [{}, 8],
    [{ logN: 18 }, 4],
    [{ logN: 16, r: 16, p: 2 }, 4],
    [{ logN: 20 }, 1],
    [{ logN: 1 }, 1000],
  ];
  for (const [cost, places] of rows as [PasswordHasherOptions, number][]) {
    for (const maxConcurrent of [1, 3]) {
      const own = new PasswordHasher({ maxConcurrent, ...cost });
      const { signal, abort } = aborter();
      // They are refused, but not before this turn ends: until then they run.
      const running = Array.from({ length: maxConcurrent }, () => outcome(own.hash('\ud800')));
      const waiting =
        Array.from({ length: places * maxConcurrent }, () => outcome(own.hash('x', signal)));
      const refused = outcome(own.hash('x', signal));
      abort();
      assert.deepEqual(new Set(await Promise.all(running)), new Set(['ERR_PASSWORD_INVALID']));
      assert.deepEqual(new Set(await Promise.all(waiting)), new Set(['ERR_ABORTED']));
      assert.equal(await refused, 'ERR_BUSY');
    }
  }
});

test('a job that is given up while it waits does no work, and the order of the others stays', async () => {
  const own = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 3 });
  const { signal, abort } = aborter();
  const runs = await callsOf('scrypt', async () => {
    const first = own.hash('first', signal);
    const left = [own.hash('left', signal), own.verify('left', undefined, signal)].map(outcome);
    const stayed = own.hash('stayed');
    abort();
    const late = [own.hash('late'), own.hash('later')];
    const jobs = [own.hash('x', signal), own.verify('x', undefined, signal), own.hash('x')];
    const tooLate = jobs.map(outcome);
    assert.deepEqual(await Promise.all(left), ['ERR_ABORTED', 'ERR_ABORTED']);
    assert.deepEqual(await Promise.all(tooLate), ['ERR_ABORTED', 'ERR_ABORTED', 'ERR_BUSY']);
    await Promise.all([first, stayed, ...late]);
  });
  assert.deepEqual(runs.map(([password]) => password), ['first', 'stayed', 'late', 'later']);
  assert.match(await own.hash('and after that'), /^\$scrypt/);
});

test('a job that is given up once its work has begun takes no other job along', async () => {
  const own = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 3 });
  const { signal, abort } = aborter();
  const first = own.hash('first');
  const second = own.hash('second', signal);
  const others = [own.hash('third'), own.hash('fourth')];
  await first;
  abort();
  assert.equal((await Promise.all([second, ...others])).length, 3);
});

test('neither logins nor signups can take all places from the other', async () => {
  const own = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 4 });
  type Job = (password: string) => Promise<unknown>;
  const rows: [one: Job, other: Job][] = [
    [(password) => own.verify(password, undefined), (password) => own.hash(password)],
    [(password) => own.hash(password), (password) => own.verify(password, undefined)],
  ];
  for (const [flood, other] of rows) {
    const runs = await callsOf('scrypt', async () => {
      const flooding = ['1', '2', '3', '4', '5', '6'].map((password) => outcome(flood(password)));
      const others = ['a', 'b', 'c'].map((password) => outcome(other(password)));
      const late = outcome(flood('7'));
      const verdicts =
        (await Promise.all([...flooding, ...others, late])).map((it) => it === 'ERR_BUSY');
      // 6 finds no place, 5 and 4 give theirs to a and b, and c's kind may have half of them.
      assert.deepEqual(verdicts, [false, false, false, true, true, true, false, false, true, true]);
    });
    assert.deepEqual(runs.map(([password]) => password), ['1', '2', '3', 'a', 'b']);
  }
});

test('the default number of runs is one for each core, and leaves a thread of the pool to the files', async () => {
  const sizes = [['1', 1], ['2', 1], ['3', 2], ['0', 1], ['x', 1], [undefined, 3]] as const;
  for (const [threads, most] of sizes) {
    const env = { ...process.env, UV_THREADPOOL_SIZE: threads, NODE_TEST_CONTEXT: undefined };
    const { stdout } = await promisify(execFile)(process.execPath, [childPath('threads')], { env });
    assert.equal(
      Number(stdout),
      Math.min(most, availableParallelism()),
      `UV_THREADPOOL_SIZE=${threads}`,
    );
  }
});
