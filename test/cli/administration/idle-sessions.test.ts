/** The session file of a server with `--sessions off`, which only the administration opens. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { addressOf, socketIn } from '../../../src/cli/administration/administration-folder.ts';
import { IdleSessions } from '../../../src/cli/administration/idle-sessions.ts';
import { SocketAdministration } from '../../../src/cli/administration/socket-administration.ts';
import { JsonFileSessionStore, Sessions } from '../../../src/index.ts';
import { PASSWORD } from '../../support/accounts.ts';
import { dataFolder } from '../../support/administration.ts';
import { serve, stop } from '../../support/run-command.ts';

const pathIn = (data: string) => join(data, 'sessions.jsonl');
const log = (event: string, detail: string) => assert.fail(`${event}: ${detail}`);

async function withSessions<T>(data: string, body: (sessions: Sessions) => Promise<T>): Promise<T> {
  await using store = await JsonFileSessionStore.open(pathIn(data));
  return body(new Sessions({ store }));
}

test('a file is opened once, and no file is created', async () => {
  const data = await dataFolder();
  await writeFile(join(data, 'users.jsonl'), '', { mode: 0o600 });
  const idle = new IdleSessions(data, log);
  assert.equal(await idle.open(), undefined);
  await idle.close();
  assert.deepEqual(await readdir(data), ['users.jsonl']);
  await withSessions(data, (sessions) => sessions.start('joe', { isRefreshable: true }));
  const [first, second] = await Promise.all([idle.open(), idle.open()]);
  assert.ok(first !== undefined && first === second);
  assert.equal((await first.list('joe')).length, 1);
  await idle.close();
  assert.deepEqual((await readdir(data)).sort(), ['sessions.jsonl', 'users.jsonl']);
});

test('a file that is lost does not stop later changes', async () => {
  const data = await dataFolder();
  await writeFile(join(data, 'users.jsonl'), '', { mode: 0o600 });
  await withSessions(data, (sessions) => sessions.start('joe', { isRefreshable: true }));
  const content = await readFile(pathIn(data));
  const idle = new IdleSessions(data, log);
  const first = await idle.open();
  await rm(pathIn(data));
  await assert.rejects(async () => first?.endAll('joe'), { code: 'ERR_STORE' });
  assert.equal(await idle.open(), undefined);
  await writeFile(pathIn(data), content, { mode: 0o600 });
  const second = await idle.open();
  await second?.endAll('joe');
  assert.deepEqual(await second?.list('joe'), []);
  await idle.close();
  assert.deepEqual((await readdir(data)).sort(), ['sessions.jsonl', 'users.jsonl']);
});

test('a server without sessions starts beside a damaged file, and refuses changes', async () => {
  const data = await dataFolder();
  await withSessions(data, (sessions) => sessions.start('joe', { isRefreshable: true }));
  const content = await readFile(pathIn(data), 'utf8');
  await writeFile(pathIn(data), `damaged${content}`);
  const server = await serve(`serve --port 0 --scrypt-cost 1 --sessions off --data ${data}`);
  const administration = new SocketAdministration(addressOf(socketIn(data)) ?? '');
  await assert.rejects(administration.add('joe', PASSWORD), /sessions\.jsonl/);
  assert.deepEqual(await administration.list(undefined), []);
  await writeFile(pathIn(data), content);
  assert.equal((await administration.add('joe', PASSWORD)).id, 'joe');
  const change = await administration.setPassword('joe', 'another horse');
  assert.deepEqual(change, { id: 'joe', sessions: 'none' });
  await administration.close();
  assert.equal((await stop(server)).code, 0);
  assert.deepEqual(await withSessions(data, (sessions) => sessions.list('joe')), []);
});
