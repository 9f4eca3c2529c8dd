/**
 * Holds the lock to its promise: one process for one file, whoever died how, and however many come at once.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pid } from 'node:process';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { JsonFileUserStore } from '../src/users/json-file.ts';
import { fileWith, folderOf, newPath, outputOf, refusal, start, userNamed, withStore } from './store-support.ts';

const hasProc = existsSync('/proc/self/stat');
const open = (path: string) => JsonFileUserStore.open(path);
const lockedBy = (holder: number) => refusal('ERR_STORE_LOCKED', 'users.jsonl is in use', `process ${holder}:`);

test('a second open in the same process, by whatever name, is refused until the first has closed', async () => {
  const path = newPath();
  const names = [path, relative('', path), join(dirname(fileWith('')), 'link')];
  await withStore(path, async () => {
    symlinkSync(path, names[2] ?? '');
    for (const name of names) await assert.rejects(open(name), lockedBy(pid), name);
    await withStore(join(dirname(path), 'other.jsonl'), () => undefined);
  });
  for (const name of names) await withStore(name, () => undefined);
  assert.deepEqual(folderOf(path), ['other.jsonl', 'users.jsonl']);
});

test('a second process is told who holds the file, and gets in when that one has gone or was killed', async () => {
  const path = newPath();
  for (const isKilled of [false, true]) {
    const child = await start('store-child', 'hold', path);
    child.send('go');
    await once(child, 'message');
    await assert.rejects(open(path), lockedBy(child.pid ?? 0));
    if (isKilled) child.kill('SIGKILL');
    else child.send('let go');
    await once(child, 'exit');
    assert.equal(folderOf(path).length, isKilled ? 2 : 1, 'only who was killed leaves a claim');
    await withStore(path, async (store) => assert.equal(await store.insert(userNamed(`${isKilled}`)), true));
    assert.deepEqual(folderOf(path), ['users.jsonl']);
  }
});

test('an open that fails at a claim that cannot be removed leaves none of its own', async () => {
  const path = fileWith('');
  mkdirSync(claimOn(path, '4194305.unknown'));
  await assert.rejects(open(path), refusal('ERR_STORE', path));
  assert.deepEqual(folderOf(path), ['users.jsonl', 'users.jsonl.lock.4194305.unknown']);
});

test('claims of the dead, and names that are no claims, keep nobody out; a claim of the living does', async () => {
  // The first of these ends, and the other, its parent, never looks.
  const living = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = Number((await once(living.stdout.setEncoding('utf8'), 'data'))[0]);
  const { pid: holder = 0 } = living;
  try {
    const stale = [
      '4194305.unknown', // above the highest number that Linux gives
      ...['garbage', '', '.', 'NaN.x', '-1.x', '0.x', '1.5.x', '1e9.x', '0x1.x', ' 1.x', '99999999999.x', '__proto__'],
    ];
    if (hasProc) {
      // Numbers of the living, but of others that had them before.
      stale.push(`${pid}.${bornAt(pid)}0`, `${holder}.${bornAt(holder)}0`, `${ended}.${bornAt(ended)}`);
      while (!readFileSync(`/proc/${ended}/stat`, 'utf8').includes(') Z ')) await delay(5);
    }
    for (const name of stale) {
      const path = fileWith('');
      fileWith('', claimOn(path, name));
      await withStore(path, async (store) => assert.equal(await store.insert(userNamed('joe')), true, name));
    }
    // Who could not tell when it was born is not thought to be dead.
    for (const born of [bornAt(holder), 'unknown']) {
      const path = fileWith('');
      fileWith('', claimOn(path, `${holder}.${born}`));
      await assert.rejects(open(path), lockedBy(holder));
    }
  } finally {
    living.kill();
  }
});

test('of 20 processes that start at once never two are in, and each gets in', async () => {
  const path = newPath();
  const children = await Promise.all(Array.from({ length: 20 }, () => start('store-child', 'race', path)));
  fileWith('', path);
  for (const child of children) child.send('go');
  await Promise.all(children.map(outputOf));
  const marks = readFileSync(`${path}.marks`, 'utf8').trimEnd().split('\n');
  assert.equal(new Set(marks).size, 40);
  marks.forEach((mark, index) => assert.equal(mark, index % 2 === 0 ? mark : marks[index - 1]?.replace('in', 'out')));
});

const claimOn = (path: string, name: string): string => join(dirname(path), `users.jsonl.lock.${name}`);

/** As the claims have it: the boot, and when the process started (proc(5), field 22). */
function bornAt(of: number): string {
  if (!hasProc) return 'unknown';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  return `${boot}-${readFileSync(`/proc/${of}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ')[20]}`;
}
