/**
 * Attackers over counts in a real PostgreSQL, which several servers share. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { PostgresLimitCounts, type LimitCounts } from '../../src/index.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { sourceOf } from '../../src/limits/network.ts';
import { Throttle } from '../../src/limits/throttle.ts';
import { assertInvariants, Simulation } from '../support/attack-simulation.ts';
import { ClockedClient, CountingClient, limitOf } from '../support/limit-counts.ts';
import { addressOf, HOUR, MINUTE, START_SECONDS, waitOf } from '../support/limits.ts';
import { ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { randomFrom } from '../support/random.ts';

describe('limits over PostgreSQL', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const pools = [poolAt(database.href), poolAt(database.href)];
  const poolOf = (index: number) => pools[index % 2] ?? assert.fail();
  let tables = 0;
  const newTable = () => `limits_${(tables += 1)}`;

  after(() => Promise.all(pools.map((pool) => pool.end())));

  /** Counts under a clock that a test moves by hand. */
  const clockedCounts = async (t: TestContext, now: () => number) => {
    t.mock.method(performance, 'now', () => now() * 1000);
    const client = new ClockedClient(poolOf(0), now);
    const table = newTable();
    const counts = new PostgresLimitCounts(client, { table });
    await counts.createTable();
    return { client, counts, table };
  };

  const simulationOf = async (t: TestContext) => {
    let now = () => START_SECONDS;
    const { client, counts } = await clockedCounts(t, () => now());
    const countsOver = (clock: () => number) => {
      now = clock;
      return counts;
    };
    return new Simulation({}, countsOver, () => client.settle());
  };

  /** Rate limiters of servers that share a table. */
  const throttles = async (): Promise<readonly Throttle[]> => {
    const table = newTable();
    const counts = pools.map((pool) => new PostgresLimitCounts(pool, { table }));
    await Promise.all(counts.map((one) => one.createTable()));
    return counts.map((one) => new Throttle({ counts: one }, one));
  };

  it('a thousand guesses at once, at two servers, stay within the limits', async () => {
    const servers = await throttles();
    let checked = 0;
    const guess = (index: number, from: string) => {
      const check = async () => {
        checked += 1;
        return undefined;
      };
      return servers[index % 2]?.login('joe', sourceOf(from), check).catch(waitOf);
    };
    const times = Array.from({ length: 1000 }, (_, index) => index);
    await Promise.all(times.slice(0, 50).map((index) => guess(index, '10.0.0.1')));
    assert.equal(checked, 10, 'from one network');
    await Promise.all(times.map((index) => guess(index, addressOf(index))));
    assert.equal(checked, 70, 'from all unknown networks');
    assert.ok(Number(await guess(0, addressOf(2000))) > HOUR - 6 * MINUTE);
  });

  it('an owner logs in from a known network at any server during an attack', async () => {
    const [one, other] = await throttles();
    const owner = async () => 'joe';
    assert.equal(await one?.login('joe', sourceOf('10.0.0.1'), owner), 'joe');
    const guesses = Array.from({ length: 150 }, (_, index) => {
      const server = index % 2 === 0 ? one : other;
      return server?.login('joe', sourceOf(addressOf(index)), async () => undefined).catch(waitOf);
    });
    const logins = [one, other].map((server) => server?.login('joe', sourceOf('10.0.0.1'), owner));
    assert.deepEqual(await Promise.all(logins), ['joe', 'joe']);
    await Promise.all(guesses);
    assert.equal(await other?.login('joe', sourceOf('10.0.0.1'), owner), 'joe');
    const elsewhere = await other?.login('joe', sourceOf('10.9.9.9'), owner).catch(waitOf);
    assert.equal(typeof elsewhere, 'number', 'from an unknown network the owner waits');
  });

  it('200 tries at once, whose keys cross, deadlock nowhere and leave nothing', async () => {
    const table = newTable();
    const counts = pools.map((pool) => new PostgresLimitCounts(pool, { table }));
    await counts[0]?.createTable();
    await Promise.all(Array.from({ length: 200 }, async (_, index) => {
      const keys = [`a ${index % 2}`, `b ${index % 3}`, `c ${index % 2}`];
      const limits = keys.map((key) => limitOf(key, 1000));
      if (index % 4 < 2) limits.reverse();
      const begun = await counts[index % 2]?.begin(limits);
      assert.ok(typeof begun === 'object');
      await begun.end(false);
    }));
    const counted = `SELECT key FROM ${table} WHERE slots <> '[]'`;
    assert.deepEqual((await poolOf(0).query(counted, [])).rows, []);
  });

  it('a flood from one network sends few statements, and at most six at a time', async () => {
    const counted = new CountingClient(poolOf(0));
    const counts = new PostgresLimitCounts(counted, { table: newTable() });
    await counts.createTable();
    const throttle = new Throttle({ triesPerAddress: 10 }, counts);
    /** @returns how many of 1000 logins at once are checked, and what they send */
    const flood = async (check: () => Promise<string | undefined>) => {
      const before = counted.texts.length;
      let checked = 0;
      await Promise.all(Array.from({ length: 1000 }, (_, index) => {
        return throttle.login(`user${index}`, sourceOf('10.0.0.1'), async () => {
          checked += 1;
          return check();
        }).catch(waitOf);
      }));
      const texts = counted.texts.slice(before);
      const writes = texts.filter((text) => text.includes('INSERT'));
      return { checked, writes: writes.length, reads: texts.length - writes.length };
    };
    // The network is at its limit because of tries in flight: right logins of an own account.
    const right = await flood(async () => 'user');
    assert.equal(right.writes, 3 * right.checked, 'begin, addNetwork and end');
    assert.ok(right.checked >= 10 && right.checked < 100 && right.reads < 20, `${right.reads}`);
    for (let index = 0; index < 10; index += 1) {
      await throttle.login(`name${index}`, sourceOf('10.0.0.1'), async () => undefined);
    }
    // Because of wrong passwords. A few accounts are known from this network.
    for (let round = 0; round < 2; round += 1) {
      const refused = await flood(async () => undefined);
      assert.ok(refused.writes < 40 && refused.reads < 40, `${refused.writes} ${refused.reads}`);
    }
    assert.ok(counted.mostRunning <= 6, `${counted.mostRunning} at a time`);
  });

  it('the invariants hold for a mixture of attackers and owners', async (t) => {
    const seed = 5;
    const random = randomFrom(seed);
    const pick = (below: number) => Math.floor(random() * below);
    const simulation = await simulationOf(t);
    for (let step = 0; step < 60; step += 1) {
      // The longest check is shorter than the shortest window.
      const tookSeconds = random() < 0.5 ? 0 : pick(1200);
      const burst = random() < 0.1 ? 60 : pick(4);
      for (let index = 0; index < burst; index += 1) {
        const from = random() < 0.5 ? `10.0.0.${pick(5)}` : addressOf(pick(1e6));
        const account = `user${random() < 0.7 ? 0 : pick(40)}`;
        const session = random() < 0.3 ? undefined : `session ${pick(3)}`;
        if (random() < 0.05) await simulation.logIn(account, from);
        else if (random() < 0.3) void simulation.guessAsOwner(account, session, from, tookSeconds);
        else if (random() < 0.2) void simulation.signUp(from, tookSeconds);
        else void simulation.guess(account, from, tookSeconds);
      }
      await simulation.pass(random() < 0.1 ? pick(3600) : pick(300));
    }
    assert.ok(simulation.wrong.length > 100, `seed ${seed}: ${simulation.wrong.length}`);
    assert.ok(simulation.wrongConfirmations.length > 30, `seed ${seed}`);
    assertInvariants(simulation);
  });

  it('memory and PostgreSQL give the same answers to the same steps', async (t) => {
    const random = randomFrom(7);
    const pick = (below: number) => Math.floor(random() * below);
    let seconds = START_SECONDS;
    const { client, counts, table } = await clockedCounts(t, () => seconds);
    const memory = new MemoryCounts(() => seconds);
    const inFlight: { ends: ((isCounted: boolean) => unknown)[]; until: number }[] = [];
    for (let step = 0; step < 300; step += 1) {
      // Every other step is at a server that remembers no refusals.
      const isNew = step % 2 === 0;
      const server = isNew ? new PostgresLimitCounts(client, { table }) : counts;
      const both: readonly LimitCounts[] = [memory, server];
      const kind = random();
      if (kind < 0.6) {
        const limits = [limitOf(`hour ${pick(2)}`, 4), limitOf(`minutes ${pick(2)}`, 3, 1200)];
        const begun = await Promise.all(both.map((one) => one.begin(limits)));
        const [exact = 0, wait = 0] = begun.map((one) => (typeof one === 'number' ? one : 0));
        // What is remembered may be the shorter one of two waits.
        assert.ok(isNew ? wait === exact : wait > 0 === exact > 0 && wait <= exact, `step ${step}`);
        const ends = begun.flatMap((one) => {
          return typeof one === 'number' ? [] : [(isCounted: boolean) => one.end(isCounted)];
        });
        if (ends.length > 0) inFlight.push({ ends, until: seconds + 900 });
      } else if (kind < 0.7) {
        const account = `account ${pick(2)}`;
        const network = `network ${pick(5)}`;
        await Promise.all(both.map((one) => one.addNetwork(account, network)));
        const known = await Promise.all(both.map((one) => one.networksOf(account)));
        assert.deepEqual(known[1], known[0]);
      } else {
        seconds += pick(200);
      }
      for (const one of [...inFlight]) {
        const isOver = random() < 0.2 || seconds >= one.until;
        if (!isOver) continue;
        inFlight.splice(inFlight.indexOf(one), 1);
        const isCounted = random() < 0.5;
        await Promise.all(one.ends.map((end) => end(isCounted)));
      }
    }
  });
});
