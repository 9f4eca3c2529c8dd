/**
 * Users as records of a journal: any text comes back as it was, and what is not text is refused.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { INHERITED_NAMES, NOT_STRINGS, NOT_USERNAMES, ONE_USERNAME } from '../support/hostile.ts';
import { fileWith, newPath, refusal, userNamed, withStore } from '../support/user-files.ts';
import {
  ANN,
  ann,
  closed,
  HEADER,
  JOE,
  joe,
  line,
  NEW_JOE,
  newJoe,
  read,
  written,
} from '../support/user-lines.ts';

test('any text in a record comes back as it was, also across the chunks of a read', async () => {
  const path = newPath();
  const ids = [
    ...INHERITED_NAMES,
    ...NOT_USERNAMES,
    ...ONE_USERNAME,
    '\ufffd',
    '"\\',
    '\u2029',
    'x'.repeat(200_000),
  ];
  const users = ids.map((id, index) => userNamed(id, '\u{1f511}\u20ac'.repeat(index * 1000)));
  await withStore(path, async (store) => {
    assert.ok(
      (await Promise.all(users.map((user) => store.insert(user)))).every(
        (isInserted) => isInserted,
      ),
    );
  });
  assert.ok(fs.statSync(path).size > 4e6);
  await withStore(path, (store) =>
    assert.deepEqual(
      ids.map((id) => ({ ...store.find(id) })),
      users,
    ),
  );
});

test('a user that the reader would refuse is refused and not written', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    for (const value of NOT_STRINGS) {
      await assert.rejects(
        store.insert(Object.assign(userNamed('ann'), { username: value })),
        TypeError,
      );
      await assert.rejects(
        store.update(Object.assign(userNamed('joe'), { passwordHash: value })),
        TypeError,
      );
    }
    await assert.rejects(store.insert(userNamed('ann', 'x'.repeat(1 << 20))), RangeError);
    assert.equal(await store.insert(userNamed('ann', 'x'.repeat(1_000_000))), true);
  });
  await withStore(path, (store) => assert.deepEqual({ ...store.find('joe') }, joe));
});

const HEADER_2 = '{"format":"latchkey-users","version":2}';
const TIME = 1_000_000_000;
const REMOVED_JOE = '{"op":"remove","id":"joe","removedAt":"2001-09-09T01:46:40.000Z"}';
const JOE_AGAIN = JOE.replace('}', ',"validAfter":"2001-09-09T01:46:40.000Z"}');
const joeAgain = { ...joe, validAfter: TIME };

/** A file of version 2, with these lines in one batch. */
const fileOf2 = (...lines: string[]) => [HEADER_2, '', ...lines, '', ''].join('\n');

test('a file that never removed a user is a file of version 0.1', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    await store.update({ ...newJoe, validAfter: TIME });
    assert.equal(await store.remove('ann', TIME), false);
    assert.deepEqual(store.list(), [newJoe]);
    assert.equal(read(path), written(JOE, NEW_JOE));
  });
  assert.equal(read(path), closed(JOE, NEW_JOE));
});

test('the first removal makes it a file of version 2, which keeps the name', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    await store.insert(ann);
    assert.equal(await store.remove('joe', TIME), true);
    const lines = [HEADER_2, JOE, ANN, '', REMOVED_JOE, ''];
    assert.equal(read(path), lines.join('\n'));
    assert.equal(store.find('joe'), undefined);
    await store.insert(joe);
    await store.update({ ...newJoe, validAfter: 0 });
    assert.equal(read(path), [...lines, JOE_AGAIN, '', NEW_JOE, ''].join('\n'));
  });
  await withStore(path, (store) => {
    assert.deepEqual(store.find('joe'), { ...newJoe, validAfter: TIME });
    assert.deepEqual(store.find('ann'), ann);
  });
});

test('an insert that brings a validAfter makes it a file of version 2', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joeAgain);
    assert.equal(read(path), [HEADER_2, '', JOE_AGAIN, ''].join('\n'));
  });
  await withStore(path, (store) => assert.deepEqual(store.find('joe'), joeAgain));
});

test('a compaction keeps removed names, and the seconds of users', async () => {
  const updates = Array.from({ length: 1002 }, () => line('update', ann));
  const path = fileWith(fileOf2(ANN, JOE, REMOVED_JOE, ...updates));
  await withStore(path, async (store) => {
    assert.deepEqual(read(path).split('\n').filter((text) => text !== ''), [
      HEADER_2,
      ANN,
      REMOVED_JOE,
    ]);
    assert.equal(await store.remove('joe', TIME + 1), false);
    await store.insert(joe);
    assert.deepEqual(store.find('joe'), joeAgain);
  });
  const again = fileWith(fileOf2(JOE_AGAIN, ANN, ...updates, NEW_JOE));
  await withStore(again, (store) => {
    const newest = NEW_JOE.replace('update', 'insert');
    const expected = newest.replace('}', ',"validAfter":"2001-09-09T01:46:40.000Z"}');
    assert.deepEqual(read(again).split('\n').filter((text) => text !== ''), [
      HEADER_2,
      expected,
      ANN,
    ]);
    assert.deepEqual(store.find('joe'), { ...newJoe, validAfter: TIME });
  });
});

/** Texts that are not the one spelling of a time in whole seconds from 1970 to 9999. */
const NOT_TIMES: readonly unknown[] = [
  null,
  TIME,
  true,
  '',
  `${TIME}`,
  '2001-09-09T01:46:40.001Z',
  '2001-09-09T01:46:40Z',
  '2001-09-09T01:46:40.000z',
  '2001-09-09T01:46:40.000+00:00',
  '2001-09-09',
  ' 2001-09-09T01:46:40.000Z',
  '2001-02-30T00:00:00.000Z',
  '2001-09-09T24:00:00.000Z',
  '1969-12-31T23:59:59.000Z',
  '+010000-01-01T00:00:00.000Z',
  '+275760-09-13T00:00:00.000Z',
];

/** A record without its member, or with another value of it. */
const withMember = (text: string, name: string, value: unknown): string =>
  JSON.stringify({ ...JSON.parse(text), [name]: value });

const REFUSED_LINES: readonly [lines: readonly string[], reason: string][] = [
  ...NOT_TIMES.flatMap((value): [readonly string[], string][] => [
    [
      [withMember(REMOVED_JOE, 'removedAt', value)],
      'has a "removedAt" that is not a time in whole seconds',
    ],
    [
      [withMember(JOE_AGAIN, 'validAfter', value)],
      'has a "validAfter" that is not a time in whole seconds',
    ],
  ]),
  [[withMember(REMOVED_JOE, 'id', 7)], 'has no string as "id"'],
  [[withMember(REMOVED_JOE, 'removedAt', undefined)], 'does not have exactly the members'],
  [[withMember(REMOVED_JOE, 'username', 'JOE')], 'does not have exactly the members'],
  [[JOE, REMOVED_JOE, REMOVED_JOE], 'removes a user that is removed already'],
  [[JOE, REMOVED_JOE, NEW_JOE], 'updates a user that does not exist'],
  [[REMOVED_JOE, JOE, JOE], 'inserts a user that exists already'],
  [[JOE, NEW_JOE.replace('}', ',"validAfter":"2001-09-09T01:46:40.000Z"}')], 'exactly the members'],
];

test('a wrong record of version 2 is refused with its line, and a right one is read', async () => {
  for (const [lines, reason] of REFUSED_LINES) {
    const path = fileWith(fileOf2(...lines));
    const number = lines.length + 2;
    const expected = refusal('ERR_STORE_DAMAGED', `line ${number} `, reason);
    await assert.rejects(withStore(path, () => undefined), expected, lines.join('\n'));
    assert.equal(read(path), fileOf2(...lines));
  }
  const last = REMOVED_JOE.replace('2001-09-09T01:46:40', '9999-12-31T23:59:59');
  for (const removal of [REMOVED_JOE, last]) {
    await withStore(fileWith(fileOf2(removal, JOE, REMOVED_JOE, ANN)), async (store) => {
      assert.deepEqual(store.list(), [ann]);
      await store.insert(joe);
      const second = removal === last ? 253_402_300_799 : TIME;
      assert.equal(store.find('joe')?.validAfter, second);
    });
  }
});

test('a file of version 1 has no records of version 2', async () => {
  for (const lines of [[ANN, REMOVED_JOE], [ANN, JOE_AGAIN]]) {
    const path = fileWith(closed(lines.join('\n')));
    const expected = refusal('ERR_STORE_DAMAGED', 'line 4');
    await assert.rejects(withStore(path, () => undefined), expected);
    const accepted = fileWith(read(path).replace(HEADER, HEADER_2));
    await withStore(accepted, (store) => assert.deepEqual(store.find('ann'), ann));
  }
});
