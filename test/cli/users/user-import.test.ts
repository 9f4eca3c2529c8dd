/** Imports into real stores, also through a server, again, beside other users, and interrupted. */
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { serveAdministration } from '../../../src/cli/administration/administration.ts';
import { addressOf, socketIn } from '../../../src/cli/administration/administration-folder.ts';
import { removedNameLine, userLine } from '../../../src/cli/users/import-lines.ts';
import { SocketAdministration } from '../../../src/cli/administration/socket-administration.ts';
import type { StoreAdministration } from '../../../src/cli/administration/store-administration.ts';
import {
  Accounts,
  AuthError,
  JsonFileUserStore,
  MemoryUserStore,
  PasswordHasher,
  type User,
  type UserStore,
} from '../../../src/index.ts';
import {
  administrationOf,
  exported,
  HASH,
  imported,
  OTHER_HASH,
  userOf,
} from '../../support/transfers.ts';
import { CREATED_AT, newPath, withStore } from '../../support/user-files.ts';

/** A time in 2001. */
const REMOVED_AT = 1_000_000_000;
const CREATED_SECONDS = Math.floor(Date.parse(CREATED_AT) / 1000);
const NOTHING = { added: 0, present: 0, removedNames: 0, refused: 0, problems: [] };

/** Users of each kind, and removed names. */
const LINES = [
  userLine(userOf('ann')),
  userLine(userOf('bob', `!${HASH}`)),
  userLine(userOf('joe', OTHER_HASH, REMOVED_AT)),
  userLine(userOf('\u540d\u524d')),
  removedNameLine({ id: 'eve', removedAt: REMOVED_AT }),
  removedNameLine({ id: 'zoe', removedAt: REMOVED_AT + 1 }),
].join('');

const usersOf = (store: UserStore & Required<Pick<UserStore, 'list' | 'listRemoved'>>) => ({
  users: store.list(),
  names: store.listRemoved(),
});

/** Runs `body` with the administration of a server that has the file open. */
async function withServer(
  store: UserStore,
  folder: string,
  body: (administration: SocketAdministration) => Promise<void>,
): Promise<void> {
  const log = (event: string, detail: string) => assert.fail(`${event}: ${detail}`);
  const stop = await serveAdministration(folder, administrationOf(store), log);
  const administration = new SocketAdministration(addressOf(socketIn(folder)) ?? '');
  try {
    await body(administration);
  } finally {
    await administration.close();
    await stop?.();
  }
}

test('an export of a file is the same after an import into another file', async () => {
  const [first, second] = [newPath(), newPath()];
  const counts = { ...NOTHING, added: 4, removedNames: 2 };
  await withStore(first, async (store) => {
    assert.deepEqual(await imported(administrationOf(store), LINES), counts);
    assert.equal(await exported(administrationOf(store)), LINES);
  });
  await withStore(first, (from) => withStore(second, async (to) => {
    const lines = await exported(administrationOf(from));
    assert.equal(lines, LINES);
    assert.deepEqual(await imported(administrationOf(to), lines), counts);
    assert.deepEqual(usersOf(to), usersOf(from));
  }));
  await withStore(second, async (store) => {
    assert.equal(await exported(administrationOf(store)), LINES);
  });
});

test('over the socket of a running server, import and export do the same', async () => {
  const path = newPath();
  await withStore(path, (store) => withServer(store, dirname(path), async (administration) => {
    const counts = { ...NOTHING, added: 4, removedNames: 2 };
    assert.deepEqual(await imported(administration, LINES), counts);
    assert.equal(await exported(administration), LINES);
    assert.deepEqual(await imported(administration, LINES), { ...counts, added: 0, present: 4 });
    const other = userLine(userOf('ann', OTHER_HASH));
    const huge = userLine(userOf('huge', 'x'.repeat(20_000)));
    assert.deepEqual((await imported(administration, other + huge)).problems, [
      '1: the name is taken, by a user with another hash',
      '2: it is too long for the server',
    ]);
  }));
});

test('an import that is run again is quiet, and changes nothing', async () => {
  const store = new MemoryUserStore();
  const administration = administrationOf(store);
  await imported(administration, LINES);
  const before = usersOf(store);
  const counts = { ...NOTHING, present: 4, removedNames: 2 };
  assert.deepEqual(await imported(administration, LINES), counts);
  assert.deepEqual(usersOf(store), before);
});

test('a user of the store stays as it is, and the line is reported', async () => {
  const store = new MemoryUserStore();
  const own = [userOf('ann', OTHER_HASH), userOf('joe', OTHER_HASH), userOf('eve')];
  for (const user of own) store.insert(user);
  const { problems, added, present, refused } = await imported(administrationOf(store), LINES);
  assert.deepEqual(problems, [
    '1: the name is taken, by a user with another hash',
    '3: the user is there, but accepts tokens from before "validAfter"',
    '5: the removed name has a user in this store',
  ]);
  assert.deepEqual({ added, present, refused }, { added: 2, present: 0, refused: 3 });
  for (const user of own) assert.deepEqual(store.find(user.id), user);
});

test('a removed name of the store stays removed for the tokens of its next user', async () => {
  const store = new MemoryUserStore();
  store.insert(userOf('joe'));
  store.remove('joe', REMOVED_AT + 5);
  const lines = userLine(userOf('joe', HASH, REMOVED_AT));
  await imported(administrationOf(store), lines);
  assert.equal(store.find('joe')?.validAfter, REMOVED_AT + 5);
  assert.deepEqual(await imported(administrationOf(store), lines), { ...NOTHING, present: 1 });
  const name = removedNameLine({ id: 'joe', removedAt: REMOVED_AT + 5 });
  assert.deepEqual(await imported(administrationOf(store), name), { ...NOTHING, removedNames: 1 });
  const later = removedNameLine({ id: 'joe', removedAt: REMOVED_AT + 6 });
  assert.equal((await imported(administrationOf(store), later)).refused, 1);
});

test('a removed name keeps its time for the next user who signs up', async () => {
  const store = new MemoryUserStore();
  await imported(administrationOf(store), removedNameLine({ id: 'joe', removedAt: REMOVED_AT }));
  await new Accounts({ users: store }).importUser('Joe', HASH);
  assert.equal(store.find('joe')?.validAfter, REMOVED_AT);
});

test('a user who was disabled is disabled after the import, and can be enabled', async () => {
  const store = new MemoryUserStore();
  await imported(administrationOf(store), userLine(userOf('joe', `!${HASH}`)));
  const passwords = new PasswordHasher({ logN: 1 });
  const accounts = new Accounts({ users: store, passwords });
  assert.equal(await accounts.authenticate('joe', 'correct horse'), undefined);
  await accounts.enable('joe');
  assert.equal((await accounts.authenticate('joe', 'correct horse'))?.id, 'joe');
});

test('a name that was half imported is removed by the next import', async () => {
  const path = newPath();
  const name = removedNameLine({ id: 'joe', removedAt: REMOVED_AT });
  await withStore(path, async (store) => {
    const kill = new Error('killed here by the test');
    const killed = administrationOf({
      find: (id) => store.find(id),
      insert: (user) => store.insert(user),
      update: (user) => store.update(user),
      listRemoved: (after, limit) => store.listRemoved(after, limit),
      remove: async () => Promise.reject(kill),
    });
    await assert.rejects(imported(killed, name), kill);
    assert.equal(store.find('joe')?.passwordHash, '!');
    await assert.rejects(
      new Accounts({ users: store }).enable('joe'),
      { code: 'ERR_PASSWORD_HASH' },
    );
  });
  await withStore(path, async (store) => {
    const result = await imported(administrationOf(store), name);
    assert.deepEqual(result, { ...NOTHING, removedNames: 1 });
    assert.equal(await exported(administrationOf(store)), name);
  });
});

test('lines of a Flask application become users, once', async () => {
  const store = new MemoryUserStore();
  const werkzeug = `scrypt:32768:8:1$aSalt$${'0f'.repeat(64)}`;
  const text = `\ufeffJoe,${werkzeug}\r\n\r\nann,${HASH}\r\nJOE,${HASH}\r\nno hash\r\na,b,${HASH}`;
  const problems = [
    '4: the name is taken, by a user with another hash',
    '5: it does not end with a comma and a scrypt hash that can be used',
    '6: its username has a comma',
  ];
  const administration = administrationOf(store);
  const from = Date.now();
  const first = await imported(administration, text);
  assert.deepEqual(first, { ...NOTHING, added: 2, refused: 3, problems });
  const [ann, joe] = store.list();
  assert.equal(joe?.id, 'joe');
  assert.equal(joe?.username, 'Joe');
  assert.equal(joe?.passwordHash, werkzeug);
  const createdAt = Date.parse(ann?.createdAt ?? '');
  assert.ok(createdAt >= from && createdAt <= Date.now());
  const second = await imported(administration, text);
  assert.deepEqual(second, { ...NOTHING, present: 2, refused: 3, problems });
});

test('the first line decides which kind all lines are', async () => {
  const json = userLine(userOf('ann'));
  const flask = `bob,${HASH}\n`;
  const ofJson = await imported(administrationOf(new MemoryUserStore()), `\n${json}${flask}`);
  assert.deepEqual(ofJson.problems, ['3: it is not a JSON object']);
  const ofFlask = await imported(administrationOf(new MemoryUserStore()), flask + json);
  assert.match(ofFlask.problems.join(), /^2: it has a quotation mark/);
});

/** The methods that an import calls, of which a test replaces one. */
const targetOf = (own: StoreAdministration) => ({
  exportUser: own.exportUser.bind(own),
  exportRemovedNames: own.exportRemovedNames.bind(own),
  importUser: own.importUser.bind(own),
  importRemovedName: own.importRemovedName.bind(own),
  remove: own.remove.bind(own),
});

test('16 lines are imported at once, and reported in the order of the input', async () => {
  const store = new MemoryUserStore();
  const own = administrationOf(store);
  let running = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const slow = {
    ...targetOf(own),
    importUser: async (user: User) => {
      running += 1;
      most = Math.max(most, running);
      // The newest one ends first.
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        setImmediate(() => waiting.pop()?.());
      });
      running -= 1;
      return own.importUser(user);
    },
  };
  const ids = Array.from({ length: 100 }, (_, index) => `user${index}`);
  const lines = ids.map((id, index) => userLine(userOf(id, index % 3 === 0 ? 'no hash' : HASH)));
  const { problems, added } = await imported(slow, lines.join(''));
  assert.equal(most, 16);
  assert.equal(added, 66);
  const expected = ids.flatMap((_, index) => (index % 3 === 0 ? [index + 1] : []));
  assert.deepEqual(problems.map((problem) => Number.parseInt(problem, 10)), expected);
});

test('lines of the same name are imported one after the other', async () => {
  const store = new MemoryUserStore();
  const own = administrationOf(store);
  const slowAtFirst = {
    ...targetOf(own),
    importUser: async (user: User) => {
      if (user.passwordHash === HASH) await new Promise(setImmediate);
      return own.importUser(user);
    },
  };
  const lines = [
    userLine(userOf('joe')),
    userLine(userOf('joe', OTHER_HASH)),
    removedNameLine({ id: 'joe', removedAt: REMOVED_AT }),
    userLine(userOf('joe')),
  ];
  const { problems, added, present } = await imported(slowAtFirst, lines.join(''));
  assert.deepEqual(problems, [
    '2: the name is taken, by a user with another hash',
    '3: the removed name has a user in this store',
  ]);
  assert.deepEqual({ added, present }, { added: 1, present: 1 });
  assert.deepEqual(store.find('joe'), userOf('joe'));
});

test('a store that fails ends the import, after all lines under way have ended', async () => {
  const store = new MemoryUserStore();
  const own = administrationOf(store);
  const failure = new AuthError('ERR_STORE', { cause: new Error('disk full: made by the test') });
  let running = 0;
  const failing = {
    ...targetOf(own),
    importUser: async (user: User) => {
      running += 1;
      await new Promise(setImmediate);
      // The failure comes while the import waits for an earlier line.
      if (user.id !== 'user5') await new Promise(setImmediate);
      running -= 1;
      if (user.id === 'user5') throw failure;
      return own.importUser(user);
    },
  };
  const ids = Array.from({ length: 50 }, (_, index) => `user${index}`);
  const lines = ids.map((id) => userLine(userOf(id))).join('');
  await assert.rejects(imported(failing, lines), failure);
  assert.equal(running, 0);
  const found = ids.filter((id) => store.find(id) !== undefined);
  assert.ok(found.length >= 5 && found.length < 25, `${found.length} were imported`);
  const again = await imported(own, lines);
  assert.deepEqual(again, { ...NOTHING, added: 50 - found.length, present: found.length });
});

test('a user who was removed here is refused by number, and a later one is added', async () => {
  const store = new MemoryUserStore();
  for (const id of ['ann', 'joe', 'kim']) {
    store.insert(userOf(id));
    store.remove(id, CREATED_SECONDS);
  }
  const later = { ...userOf('kim'), createdAt: '2026-01-02T03:04:06.000Z' };
  const lines = [
    userLine(userOf('ann')),
    userLine(userOf('joe', HASH, CREATED_SECONDS)),
    userLine(later),
  ].join('');
  const problems = ['1: this user was removed here'];
  const result = await imported(administrationOf(store), lines);
  assert.deepEqual(result, { ...NOTHING, added: 2, refused: 1, problems });
  assert.equal(store.find('ann'), undefined);
  const flask = `ann,${HASH}\nbob,${HASH}\n`;
  const ofFlask = await imported(administrationOf(store), flask);
  const remedy = 'a user of this name was removed here: use "latchkey users add" for a new one';
  assert.deepEqual(ofFlask, { ...NOTHING, added: 1, refused: 1, problems: [`1: ${remedy}`] });
  assert.equal(store.find('ann'), undefined);
});

test('a user who was removed during the export is removed again if the import added it', async () => {
  const removal = (id: string) => removedNameLine({ id, removedAt: CREATED_SECONDS + 10 });
  const store = new MemoryUserStore();
  store.insert(userOf('joe'));
  const lines = userLine(userOf('ann')) + userLine(userOf('joe')) + removal('ann') + removal('joe');
  const { problems, ...counts } = await imported(administrationOf(store), lines);
  assert.deepEqual(counts, { added: 0, present: 1, removedNames: 1, refused: 1 });
  assert.deepEqual(problems, ['4: the removed name has a user in this store']);
  assert.equal(store.find('ann'), undefined);
  const [name] = store.listRemoved();
  assert.ok(name?.id === 'ann' && name.removedAt >= CREATED_SECONDS + 10);
  assert.deepEqual(store.find('joe'), userOf('joe'));
});

test('a user whose hash is refused leaves the name with its "validAfter"', async () => {
  const store = new MemoryUserStore();
  const lines = userLine(userOf('ann', '!', REMOVED_AT)) + userLine(userOf('joe', '!'));
  const { problems } = await imported(administrationOf(store), lines);
  const problem = 'its hash is not a scrypt hash that can be used';
  assert.deepEqual(problems, [`1: ${problem}`, `2: ${problem}`]);
  assert.deepEqual(usersOf(store), { users: [], names: [{ id: 'ann', removedAt: REMOVED_AT }] });
});

test('a line that cannot be read is refused alone, and decides nothing', async () => {
  const long = 'x'.repeat(70_000);
  const { problems, added } = await imported(
    administrationOf(new MemoryUserStore()),
    `${long}\n${userLine(userOf('joe'))}${long}\n${userLine(userOf('ann'))}`,
  );
  assert.deepEqual(problems, ['1: it is longer than 64 KiB', '3: it is longer than 64 KiB']);
  assert.equal(added, 2);
});

test('no problem repeats a part of a line', async () => {
  const store = new MemoryUserStore();
  store.insert(userOf('a-secret-marker', OTHER_HASH));
  const lines = [
    userLine(userOf('a-secret-marker')),
    userLine(userOf('ann', 'a-secret-marker')),
    removedNameLine({ id: 'a-secret-marker', removedAt: REMOVED_AT }),
    'a-secret-marker\n',
  ];
  const { problems } = await imported(administrationOf(store), lines.join(''));
  assert.equal(problems.length, lines.length);
  assert.ok(!problems.join().includes('marker'));
  const flask = await imported(administrationOf(store), `a-secret-marker,${HASH}`);
  assert.deepEqual(flask.problems, ['1: the name is taken, by a user with another hash']);
});

test('an import into a file survives its restart', async () => {
  const path = newPath();
  await withStore(path, async (store) => void (await imported(administrationOf(store), LINES)));
  const store = await JsonFileUserStore.open(path);
  assert.equal(await exported(administrationOf(store)), LINES);
  await store.close();
});
