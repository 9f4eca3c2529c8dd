/** Executes the table of foreign hashes, and the programs for bcrypt and PBKDF2. */
import assert from 'node:assert/strict';
import { pbkdf2Sync, scryptSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { isSelfSufficient, programs, rowsOf } from '../support/documents.ts';
import {
  compile,
  linkDevelopmentPackages,
  makeUserFolder,
  output,
  removeUserFolder,
} from '../support/user-folder.ts';

const PASSWORD = 'correct horse';
const SALT = '8f2d4c61a0b37e95d18c4f6b2a907e35';
const keyOf = (salt: string | Buffer, r: number, bytes = 64) =>
  scryptSync(PASSWORD, salt, bytes, { N: 2 ** 14, r, p: 1, maxmem: 2 ** 26 });
const bytes = Buffer.from(SALT, 'hex');
const base64 = (key: Buffer) => key.toString('base64').replaceAll('=', '');

/** A hash of PASSWORD for each row of the table, as the other program writes it. */
const HASHES: Readonly<Record<string, string>> = {
  'better-auth, Lucia': `${SALT}:${keyOf(SALT, 16).toString('hex')}`,
  '`crypto.scrypt` of Node in many tutorials': `${SALT}:${keyOf(SALT, 8).toString('hex')}`,
  'the same, if the salt was decoded first': `${SALT}:${keyOf(bytes, 8).toString('hex')}`,
  'AdonisJS': `$scrypt$n=16384,r=8,p=1$${base64(bytes)}$${base64(keyOf(bytes, 8))}`,
  'passlib': `$scrypt$ln=14,r=8,p=1$${base64(bytes)}$${base64(keyOf(bytes, 8, 32))}`,
  'Werkzeug (Flask)': `scrypt:16384:8:1$${SALT}$${keyOf(SALT, 8).toString('hex')}`,
};

const rows = rowsOf('### Hashes of other programs');

function importAll(): string {
  const functions = rows.map(([name = '', , cell = '']) => {
    const [, code] = /^`([^`]+)`$/.exec(cell) ?? assert.fail(name);
    return `[${JSON.stringify(HASHES[name])}, (stored, salt, key) => ${code}],`;
  });
  return `
import { Accounts, MemoryUserStore, PasswordHasher } from 'latchkey';
import { phc } from './phc.mjs';

const rows: [string, (stored: string, salt: string, key: string) => string][] = [
${functions.join('\n')}
];
const users = new MemoryUserStore();
const accounts = new Accounts({ users, passwords: new PasswordHasher({ logN: 16 }) });
for (const [index, [stored, convert]] of rows.entries()) {
  const [salt = '', key = ''] = stored.split(':');
  await accounts.importUser(\`user\${index}\`, convert(stored, salt, key));
  const wrong = await accounts.authenticate(\`user\${index}\`, '${PASSWORD}!');
  const right = await accounts.authenticate(\`user\${index}\`, '${PASSWORD}');
  console.log(wrong?.id, right?.id, users.find(\`user\${index}\`)?.passwordHash.slice(0, 22));
}
`;
}

/** A hash in the form of bcrypt. The `compare` below stands for that of bcrypt, and knows it. */
const BCRYPT = `$2b$12$${'./AZaz09'.repeat(7).slice(0, 53)}`;
/** The same hash as PHP writes it. The package bcrypt compares it with nothing. */
const PHP_BCRYPT = BCRYPT.replace('$2b$', '$2y$');

function importBcrypt(): string {
  const argon2 = '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$a2V5';
  const others = ['$2b$12$short', argon2, 'pbkdf2:sha256:1$a$b'];
  return `
import { Accounts, AuthError, MemoryUserStore } from 'latchkey';
import { withBcrypt } from './with-bcrypt.mjs';

const compare = async (password: string, stored: string) =>
  password === '${PASSWORD}' && stored === '${BCRYPT}';
const users = new MemoryUserStore();
const accounts = new Accounts({ users, passwords: withBcrypt(compare) });
await accounts.importUser('joe', '${BCRYPT}');
await accounts.importUser('php', '${PHP_BCRYPT}');
const wrong = await accounts.authenticate('joe', '${PASSWORD}!');
console.log(wrong?.id, users.find('joe')?.passwordHash);
for (let round = 0; round < 2; round += 1) {
  const joe = await accounts.authenticate('joe', '${PASSWORD}');
  console.log(joe?.id, users.find('joe')?.passwordHash.slice(0, 22));
}
const php = await accounts.authenticate('php', '${PASSWORD}');
console.log(php?.id, users.find('php')?.passwordHash.slice(0, 22));
const refused = async (own: Accounts, stored: string) => {
  const error: unknown = await own.importUser('ann', stored).catch((reason: unknown) => reason);
  return error instanceof AuthError && !error.message.includes(stored) && error.message;
};
const others = ${JSON.stringify(others)};
const messages = await Promise.all(others.map((stored) => refused(accounts, stored)));
messages.push(await refused(new Accounts({ users }), '${BCRYPT}'));
console.log(new Set(messages));
`;
}

/** The first 72 characters of a password, which are all that bcrypt compares. */
const LONG = 'x'.repeat(72);

/**
 * The program `session-auth.mts` over a hash of bcrypt. A short password is verified and renewed
 * once; of a long one, another end is accepted, and must not replace the hash.
 */
const SESSIONS_WITH_BCRYPT = (programs.get('session-auth.mts') ?? '')
  .replace('new PasswordHasher()', 'withBcrypt(compare)')
  .replace("await passwords.hash('correct horse')", `'${BCRYPT}'`)
  .concat(`
import { withBcrypt } from './with-bcrypt.mjs';

function compare(password: string, _stored: string) {
  compared += 1;
  return Promise.resolve(password === '${PASSWORD}' || password.slice(0, 72) === '${LONG}');
}
var compared = 0;
const logIn = async (password: string) => {
  const reply = await auth.login({ json: () => ({ username: 'joe', password }) });
  console.log(Object.keys(reply).join(), rows[0]?.passwordHash.slice(0, 4), compared);
};
for (let round = 0; round < 2; round += 1) await logIn('${PASSWORD}');
Object.assign(rows[0] ?? {}, { passwordHash: '${BCRYPT}' });
for (const end of ['', 'typo', 'true end']) await logIn('${LONG}' + end);
const json = () => ({ password: '${LONG}true end', new_password: 'battery staple' });
const changed = await renew({ json }, { id: 1, username: 'joe' });
console.log(Object.keys(changed).join(), await identity({ identity: 1 }));
await renew({ json }, undefined).catch((error: unknown) => console.log(String(error)));
const malformed = new Request('http://localhost', { method: 'POST', body: 'Hunter2' });
await renew(malformed, { id: 1, username: 'joe' }).catch((error) => console.log(error.code));
`);

/**
 * A stored hash that cannot be read, in `auth.mts` and `session-auth.mts`. The decoy is a verify of
 * the hasher without a hash. The right hash is accepted before.
 */
const UNREADABLE = `
import { PasswordHasher, type AuthRequest } from 'latchkey';

const verified: unknown[] = [];
class Hasher extends PasswordHasher {
  override verify(...args: Parameters<PasswordHasher['verify']>) {
    verified.push(typeof args[1]);
    return super.verify(...args);
  }
}
Object.assign(globalThis, { Hasher });
process.on('warning', ({ message }) => console.log(message));
const json = () => ({ username: 'joe', password: '${PASSWORD}' });
interface Program {
  readonly auth: { login(request: AuthRequest): Promise<unknown> };
  readonly rows: object[];
}
const programs: Program[] = [
  await import('./own-users.mjs'),
  await import('./own-users-sessions.mjs'),
];
for (const { auth, rows } of programs) {
  console.log(Object.keys(Object(await auth.login({ json }))).join());
  Object.assign(rows[0] ?? {}, { passwordHash: '$2x$10$short' });
  await auth.login({ json }).catch((error) => console.log(error.code));
  console.log(verified.splice(0).join());
}
`;

/** @returns a program of the pages that shows its table and hashes with `Hasher` */
const watched = (name: string): string =>
  `declare const Hasher: typeof PasswordHasher;\n${programs.get(name)}`
    .replace('new PasswordHasher()', 'new Hasher({ logN: 1 })')
    .replace('const rows', 'export const rows');

/** Hashes of PASSWORD as Werkzeug before 3.0 writes them. The keys are as long as the digests. */
const PBKDF2_HASHES = ([['sha1', 20], ['sha256', 32], ['sha512', 64]] as const).map((row) => {
  const [digest, length] = row;
  const key = pbkdf2Sync(PASSWORD, SALT, 1000, length, digest);
  return `pbkdf2:${digest}:1000$${SALT}$${key.toString('hex')}`;
});

/** One has another digest. Of the other the end is missing. */
const BROKEN_PBKDF2_HASHES = [
  `pbkdf2:md5:1000$a$${'0'.repeat(40)}`,
  String(PBKDF2_HASHES[1]).slice(0, -2),
];

const IMPORT_PBKDF2 = `
import { Accounts, MemoryUserStore } from 'latchkey';
import { withPbkdf2 } from './with-pbkdf2.mjs';

const users = new MemoryUserStore();
const accounts = new Accounts({ users, passwords: withPbkdf2() });
for (const [index, stored] of ${JSON.stringify(PBKDF2_HASHES)}.entries()) {
  await accounts.importUser(\`user\${index}\`, stored);
  const wrong = await accounts.authenticate(\`user\${index}\`, '${PASSWORD}!');
  const right = await accounts.authenticate(\`user\${index}\`, '${PASSWORD}');
  console.log(wrong?.id, right?.id, users.find(\`user\${index}\`)?.passwordHash.slice(0, 22));
}
for (const broken of ${JSON.stringify(BROKEN_PBKDF2_HASHES)}) {
  const imported = accounts.importUser('ann', broken);
  await imported.catch((error: unknown) => console.log(Object(error).code));
}
`;

const IMPORT_ALL = `await import('./import-all.mjs');
console.log('next program');
await import('./import-bcrypt.mjs');
console.log('next program');
await import('./sessions-bcrypt.mjs');
console.log('next program');
await import('./import-pbkdf2.mjs');
console.log('next program');
await import('./unreadable.mjs');
`;

/** What the programs print. One process runs all, because each start takes half a second. */
let printed: string[] = [];

before(async () => {
  const folder = await makeUserFolder(isSelfSufficient);
  try {
    linkDevelopmentPackages(folder);
    writeFileSync(join(folder, 'import-all.mts'), importAll());
    writeFileSync(join(folder, 'import-bcrypt.mts'), importBcrypt());
    writeFileSync(join(folder, 'sessions-bcrypt.mts'), SESSIONS_WITH_BCRYPT);
    writeFileSync(join(folder, 'import-pbkdf2.mts'), IMPORT_PBKDF2);
    writeFileSync(join(folder, 'own-users.mts'), watched('auth.mts'));
    writeFileSync(join(folder, 'own-users-sessions.mts'), watched('session-auth.mts'));
    writeFileSync(join(folder, 'unreadable.mts'), UNREADABLE);
    writeFileSync(join(folder, 'import-each.mts'), IMPORT_ALL);
    await compile(folder, ['import-each.mts']);
    const tsx = import.meta.resolve('tsx');
    printed = (await output(folder, '--import', tsx, 'import-each.mts')).split('next program\n');
  } finally {
    removeUserFolder(folder);
  }
});

test('migration: each hash of another program is imported as the page says, and renewed at a login', () => {
  assert.deepEqual(rows.map(([name]) => name), Object.keys(HASHES));
  const expected = rows.map((_, index) => `undefined user${index} $scrypt$ln=16,r=8,p=1$\n`);
  assert.equal(printed[0], expected.join(''));
});

test('migration: a hash of bcrypt is verified by passwords of the program, and renewed at a login', () => {
  assert.equal(printed[1], `undefined ${BCRYPT}
joe $scrypt$ln=17,r=8,p=1$
joe $scrypt$ln=17,r=8,p=1$
php $scrypt$ln=17,r=8,p=1$
Set(1) {
  'A stored password hash is not a PHC or Werkzeug scrypt hash, or costs too much'
}
`);
});

test('migration: own users with hashes of bcrypt keep sessions, and no mistyped end is hashed', () => {
  assert.equal(printed[2], `access_token $scr 1
access_token $scr 1
access_token $2b$ 2
access_token $2b$ 3
access_token $2b$ 4
access_token { id: 1, username: 'joe' }
TypeError: "user" expected a user, as a guard finds it
ERR_BODY
`);
});

test('migration: hashes of PBKDF2 with each digest are verified, and renewed at a login', () => {
  const renewed = [0, 1, 2].map((index) => `undefined user${index} $scrypt$ln=17,r=8,p=1$\n`);
  assert.equal(printed[3], `${renewed.join('')}${'ERR_PASSWORD_HASH\n'.repeat(2)}`);
});

test('own users: a stored hash that cannot be read is a wrong password, and a warning', () => {
  const each = `access_token
The stored hash of the user 1 cannot be read
ERR_CREDENTIALS
string,string,undefined
`;
  assert.equal(printed[4], each.repeat(2));
});
