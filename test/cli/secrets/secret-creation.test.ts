/** The first start where a step of making the secret file fails, or is interrupted. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fsPromises, { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { readSecretFile } from '../../../src/cli/secrets/secret-file.ts';
import { assertRefused, emptyFolder, run, serve, stop } from '../../support/run-command.ts';
import { systemError } from '../../support/system-errors.ts';
import { SECRET } from '../../support/tokens.ts';
import { handles } from '../../support/user-lines.ts';

const KIND = 'a first start that fails half way:';
const CULPRIT = 'errors that name the right culprit:';
const IN_MEMORY = 'serve --port 0 --data . --scrypt-cost 17 --users memory';

afterEach((t) => {
  (t as TestContext).mock.restoreAll();
  syncBuiltinESMExports();
});

function withoutLinks(t: TestContext): void {
  t.mock.method(fsPromises, 'link', async () => Promise.reject(systemError('EPERM', 'link')));
  syncBuiltinESMExports();
}

/** @param isFailing whether the sync of a file fails while the secret file has this text */
function failSync(t: TestContext, path: string, isFailing: (named: string) => boolean): void {
  const { sync } = handles;
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    const isFile = (await this.stat()).isFile();
    const named = await readFile(path, 'utf8').catch(() => '');
    if (isFile && isFailing(named)) throw systemError('EIO', 'fsync');
    await sync.call(this);
  });
}

/** Runs a job while names can be added to the folder, but not removed from it. */
async function whileAppendOnly(folder: string, job: () => Promise<void>): Promise<void> {
  spawnSync('chattr', ['+a', folder]);
  try {
    await job();
  } finally {
    spawnSync('chattr', ['-a', folder]);
  }
}

const probe = await emptyFolder();
const hasAttributes = spawnSync('chattr', ['+a', probe]).status === 0;
if (hasAttributes) spawnSync('chattr', ['-a', probe]);
const appendOnly = { skip: !hasAttributes && 'needs root and a file system with chattr' };

describe('a first start', { timeout: 120_000 }, () => {
  it(`${KIND} a complete secret stays, because another server may use it`, async (t) => {
    const path = join(await emptyFolder(), 'secret');
    withoutLinks(t);
    failSync(t, path, (named) => /^[^\0]/.test(named));
    await assert.rejects(readSecretFile(path), { code: 'EIO' });
    const used = await readFile(path, 'utf8');
    assert.match(used, /^[\w-]{43}\n$/);
    t.mock.restoreAll();
    assert.equal((await readSecretFile(path)).text, used);
  });

  it(`${KIND} an incomplete secret is removed`, async (t) => {
    const folder = await emptyFolder();
    const path = join(folder, 'secret');
    withoutLinks(t);
    failSync(t, path, (named) => named.startsWith('\0'));
    await assert.rejects(readSecretFile(path), { code: 'EIO' });
    assert.deepEqual(await readdir(folder), []);
  });

  it(`${CULPRIT} a draft that cannot be removed does not stop it`, appendOnly, async () => {
    const cwd = await emptyFolder();
    await whileAppendOnly(cwd, async () => {
      assert.equal((await stop(await serve(IN_MEMORY, { cwd }))).stderr, '');
    });
    assert.match(await readFile(join(cwd, 'secret'), 'utf8'), /^[\w-]{43}\n$/);
  });

  it(`${CULPRIT} a clean-up that fails too does not hide the reason`, appendOnly, async (t) => {
    for (const isFailing of [() => true, (named: string) => named.startsWith('\0')]) {
      const folder = await emptyFolder();
      const path = join(folder, 'secret');
      withoutLinks(t);
      failSync(t, path, isFailing);
      await whileAppendOnly(folder, async () => {
        await assert.rejects(readSecretFile(path), { code: 'EIO' });
      });
      t.mock.restoreAll();
    }
  });

  it(`${KIND} the next start removes the copy that a killed one left`, async () => {
    const cwd = await emptyFolder();
    const kept = ['secret', 'secret.old', `secret.${randomUUID()}.old`, `other.${randomUUID()}`];
    const drafts = [`secret.${randomUUID()}`, `secret.${randomUUID()}`];
    for (const name of [...kept, ...drafts]) {
      await writeFile(join(cwd, name), `${SECRET}\n`, { mode: 0o600 });
    }
    assert.equal((await stop(await serve(IN_MEMORY, { cwd }))).stderr, '');
    assert.deepEqual((await readdir(cwd)).sort(), kept.sort());
  });

  it(`${KIND} a start that loses its draft uses the secret of the other one`, async (t) => {
    const folder = await emptyFolder();
    const path = join(folder, 'secret');
    const { link } = fsPromises;
    t.mock.method(fsPromises, 'link', async (draft: string, to: string) => {
      await writeFile(path, `${SECRET}\n`, { mode: 0o600 });
      await fsPromises.unlink(draft);
      await link(draft, to);
    });
    syncBuiltinESMExports();
    const { text, isNew } = await readSecretFile(path);
    assert.deepEqual([text, isNew], [`${SECRET}\n`, false]);
    assert.deepEqual(await readdir(folder), ['secret']);
  });

  it(`${CULPRIT} an incomplete secret is not to be deleted under a slow start`, async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secret'), `\0${SECRET.slice(1)}\n`, { mode: 0o600 });
    const { stderr } = await run(IN_MEMORY, { cwd });
    const advice = 'If no other start is running, delete it and start again';
    const reason = 'A first start that was interrupted leaves such a file';
    assert.equal(stderr, `latchkey: secret is not complete. ${reason}. ${advice}.\n`);
  });

  it(`${CULPRIT} a link that leads to no file is fixed, and not filled by hand`, async () => {
    const cwd = await emptyFolder();
    await symlink('none', join(cwd, 'secret'));
    const refused = await run(IN_MEMORY, { cwd });
    assertRefused(refused, 1, [/ENOENT/, /ix or remove the symbolic link/]);
    assert.doesNotMatch(refused.stderr, /file, or fix|create the missing folder or file/);
  });
});
