/**
 * Root administers a data folder of another user as this user. Each test runs the command, because
 * it changes the user of its process. Skipped unless the tests run as root.
 */
import assert from 'node:assert/strict';
import {
  appendFile,
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { JsonFileUserStore } from '../../../src/index.ts';
import { PASSWORD, werkzeugHash } from '../../support/accounts.ts';
import {
  assertRefused,
  command,
  emptyFolder,
  start,
  type Ended,
} from '../../support/run-command.ts';
import { userNamed } from '../../support/user-files.ts';

const skip = process.getuid?.() !== 0 && 'only root can become another user';
const OWNER = 65_534;

/** A folder of another user, who can reach it. */
async function foreignFolder(): Promise<string> {
  const data = join(await emptyFolder(), 'data');
  await mkdir(data, { mode: 0o700 });
  await chown(data, OWNER, OWNER);
  for (const folder of [dirname(data), dirname(dirname(data))]) await chmod(folder, 0o711);
  return data;
}

function add(data: string): Promise<Ended> {
  const started = start(`users add joe --data ${data}`);
  started.child.stdin.end(`${PASSWORD}\n`);
  return started.ended;
}

const ownerOf = async (path: string) => {
  const { uid, gid } = await lstat(path);
  return [uid, gid];
};

describe('latchkey users as root', { skip, timeout: 60_000, concurrency: 4 }, () => {
  it('makes files of the owner of the folder, and warns of no other user', async () => {
    const data = await foreignFolder();
    const path = join(data, 'users.jsonl');
    const created = `latchkey: ${path} did not exist, and has been created\n`;
    assert.deepEqual(await add(data), { code: 0, stdout: 'joe: added\n', stderr: created });
    await appendFile(path, '{"op":"ins');
    await writeFile(join(data, 'notes'), '');
    const listed = await start(`users list --json --data ${data}`).ended;
    assert.equal(listed.code, 0);
    assert.match(listed.stderr, /^latchkey: .*: cut off 10 bytes .* in .*users\.jsonl\.cut-\S+\n$/);
    const saved = (await readdir(data)).find((name) => name.includes('.cut-')) ?? assert.fail();
    for (const name of ['users.jsonl', saved]) {
      assert.deepEqual(await ownerOf(join(data, name)), [OWNER, OWNER], name);
    }
    assert.deepEqual(await ownerOf(join(data, 'notes')), [0, 0]);
  });

  it('follows no link of the owner to where only root may write', async () => {
    const data = await foreignFolder();
    const ofRoot = await emptyFolder();
    await symlink(join(ofRoot, 'nologin'), join(data, 'users.jsonl'));
    await chmod(ofRoot, 0o755);
    const owner = /\. Root works here as the owner of the folder, .*65534.*: give .*\(chown -h/;
    assertRefused(await add(data), 1, [/EACCES/, owner]);
    assert.deepEqual(await readdir(ofRoot), []);
    // A file of root that anyone may read, but not write.
    await writeFile(join(ofRoot, 'nologin'), '');
    await chmod(join(ofRoot, 'nologin'), 0o644);
    assertRefused(await start(`users list --data ${data}`).ended, 1, [/EACCES/]);
    assert.equal(await readFile(join(ofRoot, 'nologin'), 'utf8'), '');
  });

  it('stays root in a folder of root, and in one that does not exist yet', async () => {
    const base = await foreignFolder();
    const data = join(base, 'new');
    assert.equal((await add(data)).code, 0);
    assert.deepEqual(await ownerOf(join(data, 'users.jsonl')), [0, 0]);
    const listed = await start(`users list --json --data ${data}`).ended;
    assert.match(listed.stdout, /"id":"joe"/);
  });

  it('says what to do if the owner cannot enter the folder', async () => {
    const data = await foreignFolder();
    await chmod(dirname(data), 0o700);
    const words = [
      /the owner of the folder \(uid 65534\), who cannot enter it: let this user enter/,
    ];
    assertRefused(await start(`users list --data ${data}`).ended, 1, words);
  });

  it('says who writes an export, and how root can write it', async () => {
    const data = await foreignFolder();
    await add(data);
    const path = join(await emptyFolder(), 'export');
    await chmod(dirname(path), 0o711);
    const words = [/EACCES/, /the owner of the data folder, .*65534.*: \(umask 077; latchkey us/];
    assertRefused(await start(`users export ${path} --data ${data}`).ended, 1, words);
    const line = [...command(), 'users', 'export', '--data', data, '>', path].join(' ');
    const byShell = await start('', { command: ['sh', '-c', line] }).ended;
    assert.deepEqual([byShell.code, byShell.stderr], [0, '']);
    assert.match(await readFile(path, 'utf8'), /^\{"id":"joe"/);
  });

  it('uses a file that the owner has, with its lock as exact as before', async () => {
    const data = await foreignFolder();
    const store = await JsonFileUserStore.open(join(data, 'users.jsonl'));
    await store.insert(userNamed('joe', werkzeugHash(PASSWORD)));
    await chown(join(data, 'users.jsonl'), OWNER, OWNER);
    const words = [RegExp(`is in use by process ${process.pid}: stop that process first\\.`)];
    assertRefused(await start(`users list --data ${data}`).ended, 1, words);
    await store.close();
    const disabled = await start(`users disable joe --data ${data}`).ended;
    assert.deepEqual([disabled.code, disabled.stderr], [0, '']);
  });
});
