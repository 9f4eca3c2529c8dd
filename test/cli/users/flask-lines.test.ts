/** Lines of a Flask application: which part is the hash, and which usernames are refused. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { readFlaskLine } from '../../../src/cli/users/flask-lines.ts';
import { PasswordHasher } from '../../../src/index.ts';
import { blocks } from '../../support/documents.ts';

const CREATED_AT = '2026-01-02T03:04:05.678Z';
const WERKZEUG = `scrypt:32768:8:1$aSalt$${'0f'.repeat(64)}`;
const OTHER = `scrypt:32768:8:1$aSalt$${'1e'.repeat(64)}`;
const PHC = `$scrypt$ln=17,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
const passwords = new PasswordHasher();

const read = (line: string) => readFlaskLine(line, passwords, CREATED_AT);

function problemIn(line: string): string {
  const entry = read(line);
  return 'problem' in entry ? entry.problem : assert.fail(`accepted: ${line}`);
}

function userWith(id: string, username: string, passwordHash: string) {
  return { user: { id, username, passwordHash, createdAt: CREATED_AT } };
}

test('a line is a username and a hash, of Werkzeug, PHC or a disabled account', () => {
  for (const hash of [WERKZEUG, PHC, `!${WERKZEUG}`, `!${PHC}`]) {
    assert.deepEqual(read(`joe,${hash}`), userWith('joe', 'joe', hash));
  }
});

test('the id is made of the username as at a sign-up', () => {
  assert.deepEqual(read(` Jo\u00c9 ,${PHC}`), userWith('jo\u00e9', 'Jo\u00c9', PHC));
  assert.deepEqual(read(`scrypt:1,${PHC}`), userWith('scrypt:1', 'scrypt:1', PHC));
  assert.deepEqual(read(`{x,${PHC}`), userWith('{x', '{x', PHC));
});

test('the hash is the shortest end of the line that is a whole hash', () => {
  // Each of these could be read as a name and a hash of another user.
  const lines = [
    `admin,${WERKZEUG},${OTHER}`,
    `admin,${PHC},${OTHER}`,
    `admin,${WERKZEUG},${PHC}`,
    `a,b,${PHC}`,
    `,admin,${PHC}`,
  ];
  for (const line of lines) assert.equal(problemIn(line), 'its username has a comma');
});

test('a line without a whole hash is refused', () => {
  const lines = [
    'username,password',
    'joe',
    '',
    ',',
    'joe,',
    WERKZEUG,
    `joe;${WERKZEUG}`,
    `joe,${WERKZEUG} `,
    `joe, ${WERKZEUG}`,
    `joe,${WERKZEUG.slice(0, -1)}`,
    `joe,${WERKZEUG},`,
    `joe,${PHC.slice(0, -2)}`,
    `joe,${PHC.replace('ln=17', 'ln=27')}`,
    'joe,!',
    `joe,!!${PHC}`,
    `joe,pbkdf2:sha256:600000$aSalt$${'0f'.repeat(32)}`,
    `joe,$2b$12$${'a'.repeat(53)}`,
    `joe,${','.repeat(60_000)}`,
  ];
  for (const line of lines) {
    const expected = 'it does not end with a comma and a scrypt hash that can be used';
    assert.equal(problemIn(line), expected, line.slice(0, 100));
  }
});

test('a line with quotation marks is refused, and the message says how to write it', () => {
  for (const line of [`"joe",${PHC}`, `joe,"${PHC}"`, `"joe","${PHC}"`, `jo"e,${PHC}`]) {
    assert.match(problemIn(line), /quotation mark: write lines username,hash without CSV quoting/);
  }
});

test('a username that no sign-up accepts is refused', () => {
  for (const name of ['', 'jo e', 'jo\u200de', 'jo\re', 'x'.repeat(81), 'x'.repeat(2_000)]) {
    assert.match(problemIn(`${name},${PHC}`), /^its username is refused: Username must/, name);
  }
  assert.deepEqual(read(`${'x'.repeat(80)},${PHC}`), userWith('x'.repeat(80), 'x'.repeat(80), PHC));
});

const isSqliteInstalled = spawnSync('sqlite3', ['--version']).status === 0;
const skip = !isSqliteInstalled && 'sqlite3 is not installed';

test('the query on the page keeps a username with a line break on one line', { skip }, () => {
  const query = blocks('sql').find((text) => text.startsWith('select replace')) ?? '';
  const rows = ['joe', 'x\nadmin', 'y\radmin', 'a,b', 'n\u00e9e'];
  const values = rows.map((name, id) => `(${id}, '${name}', '${WERKZEUG}')`).join(', ');
  const table = 'create table users (id integer, username text, password text)';
  const program = `${table}; insert into users values ${values}; ${query}`;
  const { stdout } = spawnSync('sqlite3', ['-separator', ',', ':memory:', program], {
    encoding: 'utf8',
  });
  const entries = stdout.trimEnd().split('\n').map(read);
  const refused = { problem: 'its username has a comma' };
  assert.deepEqual(entries, [
    userWith('joe', 'joe', WERKZEUG),
    refused,
    refused,
    refused,
    userWith('n\u00e9e', 'n\u00e9e', WERKZEUG),
  ]);
});

test('an error of the hasher that is not a refusal is thrown', () => {
  const broken = {
    needsRehash: () => {
      throw new TypeError('made by the test');
    },
  };
  assert.throws(() => readFlaskLine(`joe,${PHC}`, broken, CREATED_AT), /made by the test/);
});
