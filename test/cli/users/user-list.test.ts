/** The list of users: its table, its JSON and its pages. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { listUsers } from '../../../src/cli/users/user-list.ts';
import type { ListedUser } from '../../../src/cli/administration/user-administration.ts';
import { AuthError } from '../../../src/errors.ts';
import { collected, failing } from '../../support/outputs.ts';

const createdAt = '2026-01-02T03:04:05.678Z';

function userNamed(username: string, isDisabled = false): ListedUser {
  return { id: username.toLowerCase(), username, createdAt, isDisabled };
}

/** Lists pages of two users, as an administration does. */
function listOf(users: readonly ListedUser[]) {
  const pages: (string | undefined)[] = [];
  const list = async (after: string | undefined) => {
    pages.push(after);
    const first = users.findIndex(({ id }) => id === after) + 1;
    return users.slice(first, first + 2);
  };
  return { list, pages };
}

async function listed(users: readonly ListedUser[], isJson = false): Promise<string> {
  const { output, chunks } = collected();
  await listUsers(listOf(users), output, isJson);
  return chunks.join('');
}

test('the table has a row for each user, in columns', async () => {
  const others = ['Zoë', 'Bartholomew', 'x'].map((name) => userNamed(name));
  const users = [userNamed('Ann', true), ...others];
  assert.equal(await listed(users), [
    'ID   USERNAME  CREATED                   STATE',
    `ann  Ann       ${createdAt}  disabled`,
    `zoë  Zoë       ${createdAt}  enabled`,
    `bartholomew  Bartholomew  ${createdAt}  enabled`,
    `x            x            ${createdAt}  enabled`,
    '',
  ].join('\n'));
});

test('without users the table has its headings, and JSON has no line', async () => {
  assert.equal(await listed([]), 'ID  USERNAME  CREATED  STATE\n');
  assert.equal(await listed([], true), '');
});

test('JSON has one object a line, with the members of the user', async () => {
  const users = [userNamed('Ann', true), userNamed('Joe'), userNamed('Zoë')];
  const lines = (await listed(users, true)).trimEnd().split('\n');
  assert.deepEqual(lines.map((line) => JSON.parse(line)), users);
});

test('no name controls the terminal or makes a line of its own, in either form', async () => {
  const hostile = { ...userNamed('a'), id: 'a\nroot\x1b[2J', username: '\u202eeoj\x9b' };
  const table = await listed([hostile]);
  assert.equal(table.split('\n').length, 3);
  assert.match(table, /^a\\u\{a\}root\\u\{1b\}\[2J {2}\\u\{202e\}eoj\\u\{9b\} /m);
  const json = await listed([hostile], true);
  assert.match(json, /^[ -~]+\n$/);
  assert.deepEqual(JSON.parse(json), hostile);
});

test('a page is read only after the one before it is written', async () => {
  const { list, pages } = listOf(['a', 'b', 'c', 'd', 'e'].map((name) => userNamed(name)));
  let isWriting = false;
  let writes = 0;
  const output = new Writable({
    write: (_chunk, _encoding, done) => {
      isWriting = true;
      writes += 1;
      setImmediate(() => {
        isWriting = false;
        done();
      });
    },
  });
  const strict = (after: string | undefined) => {
    assert.equal(isWriting, false);
    return list(after);
  };
  await listUsers({ list: strict }, output, true);
  assert.deepEqual(pages, [undefined, 'b', 'd', 'e']);
  assert.equal(writes, 3);
});

test('the list stops without an error when its reader ends, and fails on a full disk', async () => {
  const { list, pages } = listOf(['a', 'b', 'c', 'd'].map((name) => userNamed(name)));
  await listUsers({ list }, failing('EPIPE').output, false);
  assert.deepEqual(pages, [undefined]);
  const message = 'cannot write the output: write ENOSPC';
  await assert.rejects(listUsers({ list }, failing('ENOSPC').output, false), { message });
});

test('an error of the store ends the list', async () => {
  const broken = { list: () => Promise.reject(new AuthError('ERR_STORE')) };
  await assert.rejects(listUsers(broken, collected().output, false), { code: 'ERR_STORE' });
});
