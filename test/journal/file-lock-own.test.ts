/** Two openings by one process, as after a hot reload: the message says whose lock it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { utimesSync } from 'node:fs';
import { pid } from 'node:process';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { lockFile } from '../../src/journal/file-lock.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { claimOn, PATIENT } from '../support/claims.ts';
import { childPath } from '../support/compiled.ts';
import { loadCopy } from '../support/copies.ts';
import {
  fileWith,
  killChildren,
  newPath,
  outputOf,
  refusal,
  start,
  withStore,
} from '../support/user-files.ts';

const KIND = 'errors that name the right culprit:';
const OWN = 'this process itself has it open, so close the first store';
const GLOBAL = 'keep one store on globalThis if a hot reload evaluates the module again';
const OPEN_ONCE = `close the first store before you open the next one, or ${GLOBAL}`;

after(killChildren);

/** For assert.rejects: a refusal whose message does not blame this process. */
const isOther = (error: unknown): boolean => {
  return refusal('ERR_STORE_LOCKED', 'stop that process first')(error) &&
    !/itself|globalThis/.test(String(error));
};

test(`${KIND} a store that is open in this process says so`, async () => {
  const path = newPath();
  await withStore(path, async () => {
    const isOwn = refusal('ERR_STORE_LOCKED', `is in use by process ${pid}: ${OWN}`, GLOBAL);
    await assert.rejects(JsonFileUserStore.open(path), isOwn);
  });
  await withStore(path, () => undefined);
  const child = await start('store', 'hold', path);
  child.send('go');
  await once(child, 'message');
  await assert.rejects(JsonFileUserStore.open(path), isOther);
  child.send('let go');
  await once(child, 'exit');
});

test(`${KIND} a second copy of the module is this process too`, async () => {
  const path = fileWith('');
  const copy: { lockFile: typeof lockFile } = await loadCopy('journal/file-lock');
  assert.notEqual(copy.lockFile, lockFile);
  const lock = await copy.lockFile(path);
  await assert.rejects(lockFile(path), refusal('ERR_STORE_LOCKED', `${pid}: ${OWN}`, GLOBAL));
  await lock.release();
  await (await lockFile(path)).release();
});

test(`${KIND} a worker thread is this process too`, async () => {
  const path = newPath();
  await withStore(path, async () => {
    const worker = new Worker(childPath('store'), { argv: ['openOnce', path], stdout: true });
    let output = '';
    worker.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    await once(worker, 'exit');
    assert.match(output, RegExp(`process ${pid}: ${OWN}`));
  });
});

for (const [what, holder, scope, isMaybeOwn] of [
  ['the PID of this process may be this process', pid, 'unknown', true],
  ['the PID of this process is not this process', pid, '0123456789ab', false],
  ['another PID is not this process', pid + 1, 'unknown', false],
] as const) {
  test(`${KIND} a holder with ${what} in scope ${scope}`, async () => {
    const path = fileWith('');
    const claim = fileWith('', claimOn(path, `${holder}.unknown.${scope}.0123456789ab`));
    let seconds = 1;
    const heartbeat = setInterval(() => utimesSync(claim, 0, (seconds += 1)), 20);
    try {
      const where = 'maybe of another container or machine';
      const who = `${path} is in use by process ${holder}, ${where}`;
      const remedy = `. If it is this process itself, ${OPEN_ONCE}`;
      const message = `${who}: stop that process first${isMaybeOwn ? remedy : ''}`;
      await assert.rejects(lockFile(path, PATIENT), { code: 'ERR_STORE_LOCKED', message });
    } finally {
      clearInterval(heartbeat);
    }
  });
}

test(`${KIND} a copy of this process that was started with the same file is another`, async () => {
  const path = newPath();
  await withStore(path, async () => {
    const child = await start('store', 'openOnce', path);
    child.send('go');
    const output = await outputOf(child);
    assert.match(output, RegExp(`is in use by process ${pid}: stop that process first`));
    assert.doesNotMatch(output, /itself/);
  });
});
