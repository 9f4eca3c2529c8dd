/** Executes the table of foreign hashes, and the program for bcrypt, over the installed package. */
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { isSelfSufficient, rowsOf } from '../support/documents.ts';
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
const wrong = await accounts.authenticate('joe', '${PASSWORD}!');
console.log(wrong?.id, users.find('joe')?.passwordHash);
for (let round = 0; round < 2; round += 1) {
  const joe = await accounts.authenticate('joe', '${PASSWORD}');
  console.log(joe?.id, users.find('joe')?.passwordHash.slice(0, 22));
}
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

const IMPORT_BOTH = `await import('./import-all.mjs');
console.log('next program');
await import('./import-bcrypt.mjs');
`;

/** What the two programs print. One process runs both, because each start takes half a second. */
let printed: string[] = [];

before(async () => {
  const folder = await makeUserFolder(isSelfSufficient);
  try {
    linkDevelopmentPackages(folder);
    writeFileSync(join(folder, 'import-all.mts'), importAll());
    writeFileSync(join(folder, 'import-bcrypt.mts'), importBcrypt());
    writeFileSync(join(folder, 'import-both.mts'), IMPORT_BOTH);
    await compile(folder, ['import-both.mts']);
    const tsx = import.meta.resolve('tsx');
    printed = (await output(folder, '--import', tsx, 'import-both.mts')).split('next program\n');
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
Set(1) {
  'A stored password hash is not a PHC or Werkzeug scrypt hash, or costs too much'
}
`);
});
