/** Files of other releases: one that version 0.1 wrote, and those of a later latchkey. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Accounts, JsonFileSessionStore, JsonFileUserStore } from '../../src/index.ts';
import { cheapPasswords } from '../support/app.ts';
import { fileWith, refusal, userNamed } from '../support/user-files.ts';
import { read } from '../support/user-lines.ts';

/**
 * What the command of version 0.1.0 wrote, byte for byte: two signups, and a login that replaced a
 * weak hash. Then it was killed.
 */
const FILE_OF_0_1 = `{"format":"latchkey-users","version":1}

{"op":"insert","id":"joe","username":"Joe","passwordHash":"$scrypt$ln=1,r=8,p=1$Yd7f6qLZuoN8Osq0k/qy4Q$ezYpJt3/mRoM21BYjJxHLMJJMvvrGqflXtes1PG3wMA","createdAt":"2026-11-30T12:30:04.918Z"}

{"op":"insert","id":"ann","username":"ann","passwordHash":"$scrypt$ln=1,r=8,p=1$URSNAFxzZGjlSvMvGPYlrg$KjmZZPuKEXpMYdgAo1intd4W3G2y9id4VVqkQd7s3sQ","createdAt":"2026-11-30T12:30:04.945Z"}

{"op":"update","id":"joe","username":"Joe","passwordHash":"$scrypt$ln=2,r=8,p=1$HlGNWGzxlz1V/nHxpE8IBA$YYSSxhuu9jBBjHB3wF1iLgnDYZwl/GYN6jsRbBPhr3w","createdAt":"2026-11-30T12:30:04.918Z"}
`;

const client = { address: '192.0.2.1', signal: new AbortController().signal };

test('a file of version 0.1 opens, and its users log in, after a kill and after a stop', async () => {
  for (const end of ['', '\n']) {
    const path = fileWith(FILE_OF_0_1 + end);
    const users = await JsonFileUserStore.open(path);
    try {
      assert.deepEqual([users.discardedBytes, users.list().length], [0, 2]);
      const accounts = new Accounts({ users, passwords: cheapPasswords(), limits: false });
      for (const [name, password, username] of [
        ['joe', 'correct horse', 'Joe'],
        ['ann', 'battery staple', 'ann'],
      ] as const) {
        const { authenticate } = accounts.handlers;
        assert.equal(Object(await authenticate(name, password, client)).username, username);
        assert.ok(!(await authenticate(name, `${password}r`, client)));
      }
      await users.insert(userNamed('eve'));
    } finally {
      await users.close();
    }
    // Version 0.1 still reads it.
    assert.ok(read(path).startsWith('{"format":"latchkey-users","version":1}\n'));
  }
});

test('a file of version 0.1 needs this version from the first removal on', async () => {
  const path = fileWith(FILE_OF_0_1);
  const users = await JsonFileUserStore.open(path);
  assert.equal(await users.remove('ann', 7), true);
  await users.close();
  assert.ok(read(path).startsWith('{"format":"latchkey-users","version":2}\n'));
  const again = await JsonFileUserStore.open(path);
  assert.deepEqual([again.find('joe')?.username, again.find('ann')], ['Joe', undefined]);
  await again.close();
});

test('a file of a later latchkey is refused with both versions, and stays as it is', async () => {
  const stores = [
    { store: JsonFileUserStore, format: 'latchkey-users', version: 2, reads: 'versions 1 to 2' },
    { store: JsonFileSessionStore, format: 'latchkey-sessions', version: 1, reads: 'version 1' },
  ];
  for (const { store, format, version, reads } of stores) {
    const headerOf = (number: number) => `{"format":"${format}","version":${number}}\n`;
    const newer = headerOf(version + 1);
    const path = fileWith(`${newer}\n{"op":"a later one"}\n`);
    const parts = [
      `${path}, line 1 names version ${version + 1} of the format`,
      `but this latchkey reads ${reads} only; the file was not changed`,
      'a later latchkey wrote it; run that one, or restore a backup from before the upgrade',
    ];
    await assert.rejects(store.open(path), refusal('ERR_STORE_DAMAGED', ...parts));
    assert.equal(read(path), `${newer}\n{"op":"a later one"}\n`);
    await (await store.open(fileWith(headerOf(version)))).close();
  }
});
