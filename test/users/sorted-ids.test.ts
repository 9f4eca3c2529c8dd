/** Pages of ids: sorted by code points, and right after any writes. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { compareCodePoints, SortedIds } from '../../src/users/sorted-ids.ts';
import { randomFrom } from '../support/random.ts';

/** Units around the surrogates, alone and in pairs, and ones that pairs share. */
const PIECES: readonly string[] = [
  '\0',
  'a',
  'b',
  '\ud7ff',
  '\ud800',
  '\ud801',
  '\udbff',
  '\udc00',
  '\udfff',
  '\ue000',
  '\uffff',
  '\u{10000}',
  '\u{10400}',
  '\u{10ffff}',
];

/** The definition: the first code point that differs decides, then the number of them. */
function compareByDefinition(left: string, right: string): number {
  const points = (text: string) => Array.from(text, (character) => character.codePointAt(0) ?? 0);
  const [first, second] = [points(left), points(right)];
  const index = first.findIndex((point, at) => point !== second[at]);
  if (index === -1) return first.length - second.length;
  return (first[index] ?? 0) - (second[index] ?? -1);
}

test('texts are compared by code points, also with lone surrogates', () => {
  const texts = ['', ...PIECES];
  for (const first of PIECES) {
    for (const second of PIECES) texts.push(first + second, `${first}${second}a`);
  }
  for (const left of texts) {
    for (const right of texts) {
      const expected = Math.sign(compareByDefinition(left, right));
      const names = `${JSON.stringify(left)} and ${JSON.stringify(right)}`;
      assert.equal(Math.sign(compareCodePoints(left, right)), expected, names);
    }
  }
});

/** A user exists if its value is true. */
const userOf = (entry: { id: string; isUser: boolean } | undefined) =>
  entry?.isUser ? entry.id : undefined;

test('pages are those of a new sort after any sequence of writes', (t) => {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = randomFrom(seed);
  const pick = (values: readonly string[]) => values[Math.floor(random() * values.length)] ?? '';
  const stored = new Map<string, { id: string; isUser: boolean }>();
  const ids = new SortedIds();
  for (let step = 0; step < 3000; step += 1) {
    const id = pick(PIECES) + pick(PIECES);
    const isUser = random() < 0.6;
    stored.set(id, { id, isUser });
    ids.set(id, isUser);
    // The first page comes after some writes, as in a server.
    if (step < 20) continue;
    const after = random() < 0.2 ? undefined : pick(PIECES) + pick(['', ...PIECES]);
    const limit = 1 + Math.floor(random() * 20);
    const all = [...stored.values()].filter((entry) => entry.isUser).map((entry) => entry.id);
    const behind = all.filter((one) => after === undefined || compareByDefinition(one, after) > 0);
    const expected = behind.sort(compareByDefinition).slice(0, limit);
    assert.deepEqual(ids.page(stored, userOf, after, limit), expected);
  }
});

test('a page is whole while a removal is stored that the list does not know yet', () => {
  const stored = new Map(['a', 'b', 'c', 'd'].map((id) => [id, { id, isUser: true }]));
  const ids = new SortedIds();
  assert.deepEqual(ids.page(stored, userOf, undefined, 2), ['a', 'b']);
  stored.set('b', { id: 'b', isUser: false });
  assert.deepEqual(ids.page(stored, userOf, undefined, 2), ['a', 'c']);
});

test('only the first page looks at every entry', () => {
  const entries = Array.from({ length: 10_000 }, (_, index) => {
    return { id: `user${index}`, isUser: true };
  });
  const stored = new Map(entries.map((entry) => [entry.id, entry]));
  const ids = new SortedIds();
  let looks = 0;
  const counting = (entry: { id: string; isUser: boolean } | undefined) => {
    looks += 1;
    return userOf(entry);
  };
  assert.equal(ids.page(stored, counting, undefined, 10).length, 10);
  assert.ok(looks >= 10_000);
  looks = 0;
  stored.set('new', { id: 'new', isUser: true });
  ids.set('new', true);
  assert.deepEqual(ids.page(stored, counting, 'mew', 2), ['new', 'user0']);
  assert.equal(looks, 2);
});
