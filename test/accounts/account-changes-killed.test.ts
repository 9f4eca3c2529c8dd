/** A process that is killed between two steps of a change, over files. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { JsonFileSessionStore } from '../../src/sessions/json-file.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import {
  addUser,
  CHANGES,
  countSessions,
  logIn,
  makeService,
  NEW,
  OLD,
  openingPasswords,
  type Service,
} from '../support/account-service.ts';
import { killChildren, newPath, outputOf, start } from '../support/user-files.ts';

after(killChildren);

const sessionsBeside = (path: string) => join(dirname(path), 'sessions.jsonl');

async function withFiles(path: string, use: (service: Service) => Promise<void>): Promise<void> {
  const users = await JsonFileUserStore.open(path);
  const sessionStore = await JsonFileSessionStore.open(sessionsBeside(path));
  await use(makeService({ users, sessionStore }));
  await Promise.all([users.close(), sessionStore.close()]);
}

test('a kill between two steps leaves the old or the new account, without sessions', async () => {
  const original = newPath();
  await withFiles(original, async (service) => {
    await addUser(service, 'joe');
    for (let login = 0; login < 2; login += 1) assert.equal(await logIn(service, 'joe', OLD), true);
    assert.equal(await countSessions(service, 'joe'), 2);
  });
  const cases = Object.keys(CHANGES).flatMap((change) => {
    return [1, 2].map((write) => ({ change, write }));
  });
  await Promise.all(cases.map(async ({ change, write }) => {
    const path = newPath();
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(original, path);
    copyFileSync(sessionsBeside(original), sessionsBeside(path));
    const child = await start('account-change', path, sessionsBeside(path), change, `${write}`);
    await outputOf(child);
    assert.equal(child.signalCode, 'SIGKILL');
    await withFiles(path, async (service) => {
      const opening = await openingPasswords(service, 'joe');
      const changed = change === 'change' || change === 'set' ? [NEW] : [];
      assert.deepEqual(opening, write === 1 ? [OLD] : changed, `${change}, write ${write}`);
      assert.equal(await countSessions(service, 'joe'), 0, `${change}, write ${write}`);
    });
  }));
});
