/** What phones add to usernames, and what scripts need that no username may have. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalUsername } from '../../src/accounts/username.ts';
import { ERRORS } from '../../src/error-codes.ts';
import { makeAccounts, PASSWORD, refusal, werkzeugHash } from '../support/accounts.ts';
import { send, withApp } from '../support/app.ts';
import { WatchedStore } from '../support/doubles.ts';
import { rowsOf } from '../support/documents.ts';
import { NOT_USERNAMES } from '../support/hostile.ts';

/** White space of ASCII, as JavaScript and HTML have it. */
const TRIMMED = [' ', '\t', '\n', '\v', '\f', '\r', '\r\n', '  \t '];
/** White space, controls and format characters that are not in that list. */
const NOT_TRIMMED = [
  '\0',
  '\b',
  '\x1c',
  '\x1f',
  '\x7f',
  '\x85',
  '\u00a0',
  '\u1680',
  '\u2003',
  '\u200b',
  '\u200e',
  '\u2028',
  '\u202f',
  '\u3000',
  '\ufeff',
];
const around = (space: string, name: string) =>
  [`${name}${space}`, `${space}${name}`, `${space}${name}${space}`];

test('users on phones: white space of ASCII at the ends of a username is no part of it', async () => {
  for (const [index, space] of TRIMMED.entries()) {
    for (const typed of around(space, 'Joe')) {
      const { accounts, users } = makeAccounts();
      const user = await accounts.signup({ username: typed, password: PASSWORD });
      assert.deepEqual([user.id, user.username], ['joe', 'Joe']);
      const imported = await accounts.importUser(typed.replace('Joe', 'Ann'), werkzeugHash('x'));
      assert.deepEqual([imported.id, imported.username], ['ann', 'Ann']);
      for (const other of ['joe', ...around(TRIMMED[index - 1] ?? '', 'JOE')]) {
        assert.deepEqual(await accounts.authenticate(other, PASSWORD), user);
        const again = accounts.signup({ username: other, password: PASSWORD });
        await assert.rejects(again, refusal('ERR_USER_EXISTS'));
      }
      assert.equal(users.written.length, 2);
      // Never a password.
      assert.equal(await accounts.authenticate(typed, `${PASSWORD}${space}`), undefined);
      assert.equal(await accounts.authenticate(typed, `${space}${PASSWORD}`), undefined);
    }
  }
});

test('users on phones: any other white space, and any inside a username, is still refused', async () => {
  const { accounts, users } = makeAccounts();
  const names = [
    ...NOT_TRIMMED.flatMap((space) => around(space, 'joe')),
    ...[...TRIMMED, ...NOT_TRIMMED].map((space) => `jo${space}e`),
    ...NOT_TRIMMED.map((space) => ` joe${space} `),
  ];
  for (const username of names) {
    const signup = accounts.signup({ username, password: PASSWORD });
    await assert.rejects(signup, refusal('ERR_USERNAME'), JSON.stringify(username));
    assert.equal(canonicalUsername(username), undefined);
  }
  assert.deepEqual(users.written, []);
});

test('users on phones: a username of 80 characters may have white space around it, within 1024', () => {
  const name = 'x'.repeat(80);
  assert.equal(canonicalUsername(` ${name}\r\n`), name);
  assert.equal(canonicalUsername(`${' '.repeat(944)}${name}`), name);
  assert.equal(canonicalUsername(`${' '.repeat(945)}${name}`), undefined);
  assert.equal(canonicalUsername(` ${name}x`), undefined);
});

test('users on phones: white space does not hide that a password is the username', async () => {
  const seen: string[] = [];
  const isForbidden = (_: string, username: string) => {
    seen.push(username);
    return false;
  };
  const { accounts } = makeAccounts({ isForbidden });
  for (const [username, password] of [['josephine ', 'Josephine'], ['josephine', ' JOSEPHINE\t']]) {
    await assert.rejects(
      accounts.signup({ username, password }),
      refusal('ERR_PASSWORD_FORBIDDEN'),
    );
  }
  await accounts.signup({ username: '\tJosephine ', password: PASSWORD });
  assert.deepEqual(seen, ['Josephine']);
});

test('users on phones: the three routes of the tutorial greet the name without its white space', async () => {
  const users = new WatchedStore();
  await withApp({ users }, async ({ url }) => {
    const body = (username: string) => ({ username, password: PASSWORD });
    assert.equal((await send(`${url}/signup`, 'POST', body('Amy '))).status, 200);
    const login = await send(`${url}/auth`, 'POST', body(' amy\n'));
    const { access_token: token } = login.body as { access_token: string };
    const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
    assert.deepEqual(hello.body, { Status: 'Success', result: 'Hello Amy' });
  });
  assert.equal(users.find('amy')?.username, 'Amy');
});

const INVISIBLE = 'Username must not have invisible characters, such as zero-width joiners';
const [, , DEFAULT] = ERRORS.ERR_USERNAME;

/** Names with a joiner: Ali Reza in Persian, Sri in Sinhala, Malayalam with an old chillu. */
const WITH_JOINERS = [
  '\u0639\u0644\u06cc\u200c\u0631\u0636\u0627',
  '\u0dc1\u0dca\u200d\u0dbb\u0dd3',
  '\u0d05\u0d35\u0d28\u0d4d\u200d',
];

test('names with joiners: the refusal says that invisible characters are not allowed', async () => {
  const { accounts } = makeAccounts();
  const descriptionOf = async (username: string) => {
    const signup = accounts.signup({ username, password: PASSWORD });
    const refusals = [signup, accounts.importUser(username, werkzeugHash('x'))];
    const [first, second] = await Promise.allSettled(refusals);
    assert.deepEqual(first, second);
    assert.ok(first?.status === 'rejected', username);
    assert.equal(first.reason.code, 'ERR_USERNAME');
    return String(first.reason.description);
  };
  const invisible = [
    'jo\u00ade',
    'jo\ufeffe',
    ' joe\u200b',
    'jo e\u200d',
    '\u1039\u1000',
    '\u3164',
  ];
  for (const name of [...WITH_JOINERS, ...invisible]) {
    assert.equal(await descriptionOf(name), INVISIBLE, JSON.stringify(name));
    // The accepted twin.
    const visible = name.replaceAll(/[\u200b-\u200d\u00ad\ufeff\u1039\u3164 ]/g, '');
    if (visible !== '') assert.notEqual(canonicalUsername(visible), undefined);
  }
  const isInvisible = /[\u00ad\u115f\u200b-\u200d\u202e\ufeff]/;
  for (const name of NOT_USERNAMES) {
    const expected = isInvisible.test(name) ? INVISIBLE : DEFAULT;
    assert.equal(await descriptionOf(name), expected, JSON.stringify(name));
  }
  assert.equal(
    DEFAULT,
    'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
  );
});

test('names with joiners: the page names each refused code point that RFC 5892 allows in context', () => {
  /** RFC 5892 A.1 to A.7. The digits of A.8 and A.9 are allowed. */
  const CONTEXTUAL = ['200c', '200d', 'b7', '375', '5f3', '5f4', '30fb'];
  const rows = rowsOf('### Which Unicode names are refused').map((cells) => cells.join(' '));
  for (const hex of CONTEXTUAL) {
    const character = String.fromCodePoint(Number.parseInt(hex, 16));
    assert.equal(canonicalUsername(`a${character}a`), undefined);
    const written = `U+${hex.toUpperCase().padStart(4, '0')}`;
    assert.ok(rows.some((row) => row.includes(written)), written);
  }
  for (const digits of ['\u0661\u0662', '\u06f1\u06f2', '\u0661\u06f2']) {
    assert.equal(canonicalUsername(digits), digits);
  }
});
