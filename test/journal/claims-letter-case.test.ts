/** Claims on a file whose name two processes spell differently. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { folderWithExfat, onExfat, onMounted } from '../support/exfat.ts';
import { emptyFolder } from '../support/run-command.ts';
import { refusal, withStore } from '../support/user-files.ts';
import { joe } from '../support/user-lines.ts';

const KIND = 'two spellings of one file:';

test(`${KIND} where letter case is ignored, one lock holds for both`, onExfat, async () => {
  const cwd = await folderWithExfat();
  await onMounted(cwd, 'umask=0077', async () => {
    for (const [first, second] of [['users', 'USERS'], ['MÜLLER', 'müller'], ['a.lock.1.b', 'A']]) {
      const [path, other] = [first, second].map((name) => join(cwd, `data/${name}.jsonl`));
      await withStore(path ?? '', async (store) => {
        const opening = JsonFileUserStore.open(other ?? '');
        if (second === 'A') await (await opening).close();
        else await assert.rejects(opening, refusal('ERR_STORE_LOCKED'));
        assert.equal(await store.insert(joe), true);
      });
      await withStore(path ?? '', (store) => assert.deepEqual(store.find('joe'), joe));
    }
    const names = ['A.jsonl', 'MÜLLER.jsonl', 'a.lock.1.b.jsonl', 'users.jsonl'];
    assert.deepEqual((await readdir(join(cwd, 'data'))).sort(), names.sort());
  });
});

test(`${KIND} where letter case counts, two files have two locks`, async () => {
  const folder = await emptyFolder();
  await withStore(join(folder, 'users.jsonl'), async (store) => {
    await withStore(join(folder, 'USERS.jsonl'), async (other) => {
      assert.equal(await other.insert(joe), true);
    });
    assert.equal(store.find('joe'), undefined);
  });
});
