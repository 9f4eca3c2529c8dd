/** The user store that --users names: what is told about its file. */
import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../../src/index.ts';
import { emptyFolder, serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const limit = { timeout: 60_000 };

test('an interrupted last write is cut off and saved, with one warning', limit, async () => {
  const cwd = await emptyFolder();
  await (await JsonFileUserStore.open(join(cwd, 'data/users.jsonl'))).close();
  await appendFile(join(cwd, 'data/users.jsonl'), '{"op":');
  const saved = join(await realpath(cwd), 'data/users.jsonl.cut-1');
  const told = 'latchkey: data/users.jsonl: cut off 6 bytes of an interrupted last write ' +
    `and saved them in ${saved}\n`;
  for (const warning of [told, '']) {
    const env = { LATCHKEY_SECRET: SECRET };
    const server = await serve('serve --port 0 --data data', { cwd, env });
    assert.equal((await stop(server)).stderr, warning);
  }
  assert.equal(await readFile(saved, 'utf8'), '{"op":');
});

test('a lock of a process that cannot be seen is watched, with one warning', limit, async () => {
  const cwd = await emptyFolder();
  await writeFile(join(cwd, 'users.jsonl.lock.7.dead.elsewhere.0123456789ab'), '', { mode: 0o600 });
  const env = { LATCHKEY_SECRET: SECRET };
  const place = 'a process of another container or machine has its lock';
  const reason = `the file is large, or ${place}. Such a lock is watched for 10 seconds.`;
  const server = await serve('serve --port 0 --data .', { cwd, env });
  assert.equal((await stop(server)).stderr, `latchkey: users.jsonl: still opening: ${reason}\n`);
  assert.deepEqual((await readdir(cwd)).sort(), ['sessions.jsonl', 'users.jsonl']);
});
