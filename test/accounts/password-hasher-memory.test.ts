/**
 * No memory for scrypt: the real command runs under a limit of its address space, as `ulimit -v`
 * sets one, and the limit changes while it runs.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../src/index.ts';
import { cheapPasswords, send } from '../support/app.ts';
import { LONG } from '../support/long.ts';
import { emptyFolder, logLines, serve, stop } from '../support/run-command.ts';

const hasPrlimit = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;
const NEEDS_PRLIMIT = hasPrlimit ? LONG : { skip: 'Linux and prlimit are needed' };

const MIB = 2 ** 20;
const PASSWORD = 'correct horse';
/** 2^18 · 8 · 128 bytes are 256 MiB. A hash of 2^19 needs twice as much. */
const DEAR_HASH = `$scrypt$ln=19,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

/** Lets a process use this much more address space than it has now; `unlimited` lifts the limit. */
function limitMemory(pid: number, more: number | 'unlimited'): void {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const inUse = Number(/VmSize:\s+(\d+)/.exec(status)?.[1]) * 1024;
  execFileSync('prlimit', [
    `--pid=${pid}`,
    `--as=${more === 'unlimited' ? more : inUse + more}:`,
  ]);
}

test('a want of resources is not a bug: without memory for scrypt all get one 503 until there is some', NEEDS_PRLIMIT, async () => {
  const data = await emptyFolder();
  const users = await JsonFileUserStore.open(join(data, 'users.jsonl'));
  const cheap = await cheapPasswords().hash(PASSWORD);
  for (const [id, passwordHash] of [['cheap', cheap], ['dear', DEAR_HASH]] as const) {
    await users.insert({ id, username: id, passwordHash, createdAt: '' });
  }
  await users.close();
  const server = await serve(`serve --port 0 --data ${data} --scrypt-cost 18 --log json`);
  const pid = Number(server.child.pid);
  const post = (path: string, username: string) =>
    send(`${server.url}${path}`, 'POST', { username, password: PASSWORD });
  assert.equal((await post('/signup', 'ann')).status, 200);

  limitMemory(pid, 128 * MIB);
  const busy = {
    status_code: 503,
    error: 'Service Unavailable',
    description: 'Too many passwords are being checked, try again soon',
  };
  const TRIES = [['/signup', 'joe'], ['/auth', 'ann'], ['/auth', 'dear'], ['/auth', 'unknown']];
  for (const [path = '', username = ''] of TRIES) {
    const { status, headers, body } = await post(path, username);
    assert.deepEqual([status, headers.get('Retry-After'), body], [503, '5', busy], username);
  }
  // The old hash needs little memory. The new one, which the login would make, needs too much.
  assert.equal((await post('/auth', 'cheap')).status, 200);

  limitMemory(pid, 'unlimited');
  assert.equal((await post('/signup', 'joe')).status, 200);
  assert.equal((await post('/auth', 'ann')).status, 200);
  assert.equal((await post('/auth', 'unknown')).status, 401);
  const { code, stderr } = await stop(server);
  assert.equal(code, 0);
  const errors = logLines(stderr).filter(({ event }) => event === 'error');
  const reason = /^Error: (\d+ MiB) of memory for scrypt were not available: .*--scrypt-cost/;
  const amounts = errors.map(({ detail }) => reason.exec(String(detail))?.[1]);
  assert.deepEqual(amounts, ['256 MiB', '256 MiB', '512 MiB', '256 MiB']);
  assert.doesNotMatch(stderr, RegExp(`${PASSWORD}|AAAA`));
});
