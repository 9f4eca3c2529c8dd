/** The part of the suite for user stores that have the optional method `remove`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertRefused,
  assertStored,
  EARLY,
  joeWith,
  LATE,
  NO_REMOVAL,
  ODD_IDS,
  REMOVAL,
  removalOf,
  hasRemove,
  userWith,
  type Contract,
  type OpenStore,
} from './contract-fixtures.ts';

/** None of these is a whole number of seconds from 1970 to the year 9999. */
const NOT_SECONDS: readonly unknown[] = [
  -1,
  1.5,
  NaN,
  Infinity,
  253_402_300_800,
  null,
  '1000000000',
  new Date(0),
];

export function testRemovals(contract: Contract): void {
  const removal = removalOf(contract);

  removal('removes a user that exists, and no other', async (store) => {
    assert.equal(await store.remove('joe', EARLY), false);
    await store.insert(userWith('joe'));
    await store.insert(userWith('ann'));
    for (const other of ['Joe', 'joe ', 'jo', 'j%', '']) {
      assert.equal(await store.remove(other, EARLY), false, `removes ${other}`);
    }
    await assertStored(store, userWith('joe'));
    assert.equal(await store.remove('joe', EARLY), true);
    assert.equal(await store.find('joe'), undefined);
    assert.equal(await store.remove('joe', LATE), false);
    assert.equal(await store.update(userWith('joe')), false);
    assert.equal(await store.update(userWith('joe'), 'a hash'), false);
    assert.equal(await store.find('joe'), undefined);
    await assertStored(store, userWith('ann'));
  });

  removal('a later user of the name has the time of the removal', async (store) => {
    await store.insert(userWith('joe'));
    await store.remove('joe', EARLY);
    // This user does not exist any more, so nothing is removed, and no time is kept.
    await store.remove('joe', LATE);
    await store.remove('ann', LATE);
    assert.equal(await store.insert(userWith('joe', 'another hash')), true);
    assert.equal(await store.insert(userWith('ann')), true);
    assert.equal(await store.insert(userWith('joe')), false);
    await assertStored(store, joeWith('another hash', EARLY));
    await assertStored(store, userWith('ann'));
  });

  removal('the time is that of the clock if none is given', async (store) => {
    await store.insert(userWith('joe'));
    const from = Math.floor(Date.now() / 1000);
    assert.equal(await store.remove('joe'), true);
    const to = Math.floor(Date.now() / 1000);
    await store.insert(userWith('joe'));
    const { validAfter = NaN } = (await store.find('joe')) ?? {};
    assert.ok(validAfter >= from && validAfter <= to, `${validAfter} is ${from} to ${to}`);
    assert.ok(Number.isInteger(validAfter), `${validAfter} is a whole number`);
  });

  removal('a later removal never moves the time back', async (store) => {
    await store.insert(userWith('joe'));
    for (const [removedAt, expected] of [
      [EARLY + 1, EARLY + 1],
      [EARLY, EARLY + 1],
      [0, EARLY + 1],
      [LATE, LATE],
      [EARLY, LATE],
    ] as const) {
      assert.equal(await store.remove('joe', removedAt), true);
      assert.equal(await store.insert(userWith('joe')), true);
      await assertStored(store, joeWith('a hash', expected));
    }
  });

  removal('no update changes or drops the time', async (store) => {
    await store.insert(userWith('ann'));
    await store.update({ ...userWith('ann', 'another hash'), validAfter: EARLY });
    await assertStored(store, userWith('ann', 'another hash'));
    await store.insert(userWith('joe'));
    await store.remove('joe', EARLY);
    await store.insert(userWith('joe'));
    for (const [index, given] of [undefined, EARLY - 1, EARLY, LATE].entries()) {
      const [first, second] = [`hash ${index}`, `second hash ${index}`];
      assert.equal(await store.update(joeWith(first, given)), true);
      await assertStored(store, joeWith(first, EARLY));
      assert.equal(await store.update(joeWith(second, given), first), true);
      await assertStored(store, joeWith(second, EARLY));
    }
  });

  removal('an insert keeps the later of the two times, kept and given', async (store) => {
    assert.equal(await store.insert(joeWith('a hash', EARLY)), true);
    assert.equal(await store.insert(joeWith('a hash', LATE)), false);
    await assertStored(store, joeWith('a hash', EARLY));
    // The user may have brought a later time from another store.
    await store.remove('joe', EARLY - 1);
    assert.equal(await store.insert(joeWith('a hash', EARLY - 1)), true);
    await assertStored(store, joeWith('a hash', EARLY));
    await store.remove('joe', EARLY);
    assert.equal(await store.insert(joeWith('a hash', LATE)), true);
    await assertStored(store, joeWith('a hash', LATE));
  });

  removal('refuses what is not a whole number of seconds, and changes nothing', async (store) => {
    await store.insert(userWith('joe'));
    for (const value of NOT_SECONDS) {
      await assertRefused('removedAt', value, () => store.remove('joe', value as never));
      const ann = { ...userWith('ann'), validAfter: value as never };
      await assertRefused('validAfter', value, () => store.insert(ann));
      assert.equal(await store.find('ann'), undefined);
    }
    await assertStored(store, userWith('joe'));
    const last = 253_402_300_799;
    assert.equal(await store.insert({ ...userWith('ann'), validAfter: last }), true);
    assert.equal(await store.remove('joe', last), true);
    await store.insert(userWith('joe'));
    await assertStored(store, joeWith('a hash', last));
  });

  removal('keeps odd ids apart', async (store) => {
    for (const id of ODD_IDS) {
      assert.equal(await store.remove(id, EARLY), false, `removes ${id} before it is inserted`);
      assert.equal(await store.insert(userWith(id)), true, `inserts ${id}`);
    }
    for (const [index, id] of ODD_IDS.entries()) {
      assert.equal(await store.remove(id, EARLY + index), true, `removes ${id}`);
      assert.equal(await store.find(id), undefined, `finds ${id}`);
    }
    for (const [index, id] of ODD_IDS.entries()) {
      await store.insert(userWith(id));
      await assertStored(store, { ...userWith(id), validAfter: EARLY + index });
    }
  });

  removal('lets exactly one of 50 removals of the same user through', async (store) => {
    await store.insert(userWith('joe'));
    const seconds = Array.from({ length: 50 }, (_, index) => EARLY + index);
    const answers = await Promise.all(seconds.map((second) => store.remove('joe', second)));
    assert.equal(answers.filter((isRemoved) => isRemoved).length, 1);
    await store.insert(userWith('joe'));
    await assertStored(store, joeWith('a hash', EARLY + answers.indexOf(true)));
  });

  removal('no update at the same time brings the user back', async (store) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `user${round}`;
      await store.insert(userWith(id));
      const writes = [
        () => store.update(userWith(id, 'another hash')),
        () => store.remove(id, EARLY),
        () => store.update(userWith(id, 'renewed'), 'a hash'),
      ];
      const ordered = round % 2 === 0 ? writes : writes.toReversed();
      const answers = await Promise.all(ordered.map((write) => write()));
      assert.equal(answers[1], true);
      assert.equal(await store.find(id), undefined);
    }
  });

  removal('an insert beside a removal comes first and fails, or gets its time', async (store) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `user${round}`;
      await store.insert(userWith(id));
      const next = userWith(id, 'another hash');
      const writes = [() => store.remove(id, EARLY), () => store.insert(next)];
      const ordered = round % 2 === 0 ? writes : writes.toReversed();
      const answers = await Promise.all(ordered.map((write) => write()));
      const [isRemoved, isInserted] = round % 2 === 0 ? answers : answers.toReversed();
      assert.equal(isRemoved, true);
      if (isInserted) await assertStored(store, { ...next, validAfter: EARLY });
      else assert.equal(await store.find(id), undefined);
    }
  });
}

/** Declares the test of a store that keeps users after `close`. */
export function testKeptRemovals(name: string, open: OpenStore, reopen: OpenStore): void {
  test(`${name}: ${REMOVAL}: keeps removed names when it is reopened`, async (context) => {
    const first = await open();
    try {
      if (!hasRemove(first)) return context.skip(NO_REMOVAL);
      for (const id of ['ann', 'bob', ...ODD_IDS]) await first.insert(userWith(id));
      for (const id of ['bob', ...ODD_IDS]) await first.remove(id, EARLY);
      await first.insert(userWith('bob'));
      await first.update(userWith('bob', 'another hash'));
    } finally {
      await first.close?.();
    }
    const second = await reopen();
    try {
      assert.ok(hasRemove(second));
      await assertStored(second, userWith('ann'));
      await assertStored(second, { ...userWith('bob', 'another hash'), validAfter: EARLY });
      for (const id of ODD_IDS) {
        assert.equal(await second.find(id), undefined, `finds ${id}`);
        assert.equal(await second.insert(userWith(id)), true, `inserts ${id}`);
        await assertStored(second, { ...userWith(id), validAfter: EARLY });
      }
    } finally {
      await second.close?.();
    }
  });
}
