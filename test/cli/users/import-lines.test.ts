/** Lines of JSON: each line that is written is read back, and wrong ones are refused in words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readJsonLine, removedNameLine, userLine } from '../../../src/cli/users/import-lines.ts';
import type { User } from '../../../src/users/store.ts';
import { blocks } from '../../support/documents.ts';
import { NOT_USERNAMES } from '../../support/hostile.ts';

const TIME_TEXT = '2001-09-09T01:46:40.000Z';
const JOE = {
  id: 'joe',
  username: 'Joe',
  passwordHash: 'a hash',
  createdAt: '2026-01-02T03:04:05.678Z',
};

/** A line with some members in place of others. */
const lineWith = (members: object) => JSON.stringify({ ...JOE, ...members });

function problemIn(line: string): string {
  const entry = readJsonLine(line);
  return 'problem' in entry ? entry.problem : assert.fail(`accepted: ${line}`);
}

test('a user and a removed name have exactly these lines', () => {
  const hash = JSON.stringify(JOE.passwordHash);
  const members =
    `"id":"joe","username":"Joe","passwordHash":${hash},"createdAt":"${JOE.createdAt}"`;
  assert.equal(userLine(JOE), `{${members}}\n`);
  const again = { ...JOE, validAfter: 1_000_000_000 };
  assert.equal(userLine(again), `{${members},"validAfter":"${TIME_TEXT}"}\n`);
  const removed = removedNameLine({ id: 'ann', removedAt: 1_000_000_000 });
  assert.equal(removed, `{"id":"ann","removedAt":"${TIME_TEXT}"}\n`);
});

test('each line is read back as it was written', () => {
  const names = ['joe', '\u00f1and\u00fa', '\u540d\u524d', '"\\', '__proto__', 'x'.repeat(80)];
  for (const id of names) {
    const user: User = { ...JOE, id, username: id.toUpperCase(), passwordHash: '!$scrypt$"\\\n' };
    assert.deepEqual(readJsonLine(userLine(user)), { user });
    const again = { ...user, validAfter: 0 };
    assert.deepEqual(readJsonLine(userLine(again)), { user: again });
    const removedName = { id, removedAt: 253_402_300_799 };
    assert.deepEqual(readJsonLine(removedNameLine(removedName)), { removedName });
  }
});

test('the lines on the page are read', () => {
  const block = blocks('json').find((text) => !text.includes('"op"')) ?? '';
  const time = 1_772_600_767;
  const [user, removed] = block.trimEnd().split('\n').map(readJsonLine);
  assert.ok(user !== undefined && 'user' in user);
  assert.deepEqual([user.user.id, user.user.validAfter], ['joe', time]);
  assert.deepEqual(removed, { removedName: { id: 'ann', removedAt: time } });
});

test('what is not a JSON object is refused', () => {
  for (const line of ['{', 'null', '7', '[]', '"joe"', `[${lineWith({})}]`, `${lineWith({})},`]) {
    assert.match(problemIn(line), /^it is not a JSON object$/);
  }
  assert.ok('user' in readJsonLine(` ${lineWith({})} `));
});

test('a line with a missing, a further or a wrong member is refused', () => {
  for (const name of Object.keys(JOE)) {
    for (const value of [undefined, null, 7, true, {}, ['joe'], 'a\0b', '\ud800']) {
      assert.match(problemIn(lineWith({ [name]: value })), /exactly the members of a user/, name);
    }
  }
  assert.match(problemIn(lineWith({ op: 'insert' })), /exactly the members of a user/);
  const proto = lineWith({}).replace('{', '{"__proto__":{},');
  assert.match(problemIn(proto), /exactly the members of a user/);
  assert.match(problemIn(lineWith({ removedAt: TIME_TEXT })), /members of a removed name/);
  assert.match(problemIn(`{"id":"","removedAt":"${TIME_TEXT}"}`), /^its id is empty/);
  assert.match(problemIn(`{"id":7,"removedAt":"${TIME_TEXT}"}`), /members of a removed name/);
});

test('an id that no login can find is refused', () => {
  for (const id of ['Joe', ' joe', '\ufb00', ...NOT_USERNAMES]) {
    const problem = problemIn(lineWith({ id }));
    assert.match(problem, /canonical username|members of a user/, JSON.stringify(id));
  }
  assert.ok('user' in readJsonLine(lineWith({ id: 'ff', username: '\ufb00' })));
});

test('a text that is not a time is refused', () => {
  const notTimes = ['', '2026', '2026-13-01', '2026-01-02T03:04:05.678', '2026-01-02 03:04:05Z'];
  for (const createdAt of [...notTimes, '2026-01-02T03:04:05+01:00', '2026-01-02Tjunk']) {
    assert.match(problemIn(lineWith({ createdAt })), /"createdAt" is not a time/, createdAt);
  }
  for (const createdAt of ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.678Z']) {
    assert.ok('user' in readJsonLine(lineWith({ createdAt })), createdAt);
  }
  const times = [null, 1_000_000_000, '', '2001-09-09T01:46:40Z'];
  for (const time of [...times, TIME_TEXT.replace('000Z', '001Z')]) {
    assert.match(problemIn(lineWith({ validAfter: time })), /"validAfter" is not a time/);
    const removed = JSON.stringify({ id: 'joe', removedAt: time });
    assert.match(problemIn(removed), /"removedAt" is not a time/);
  }
});

test('no problem repeats a part of the line', () => {
  const marker = 'a-secret-marker';
  const lines = [
    marker,
    `{"${marker}":"${marker}"}`,
    lineWith({ [marker]: marker }),
    lineWith({ id: marker.toUpperCase() }),
    lineWith({ createdAt: marker }),
    lineWith({ validAfter: marker }),
    JSON.stringify({ id: marker, removedAt: marker }),
    JSON.stringify({ [marker]: marker, removedAt: marker }),
  ];
  for (const line of lines) {
    assert.ok(!problemIn(line).toLowerCase().includes(marker), line);
  }
});
