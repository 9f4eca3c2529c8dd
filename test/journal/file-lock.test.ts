/**
 * Holds the lock to its promise: one process for one file, whoever died how, and however many come at once.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync, closeSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, statSync,
  symlinkSync, unlinkSync, writeFileSync,
} from 'node:fs';
import fs, { open as openFile, type FileHandle } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { kill, pid } from 'node:process';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lockFile, PACE, type Pace } from '../../src/journal/file-lock.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { removeDrafts } from '../../src/journal/replacement.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { userRecord } from '../../src/users/user-records.ts';
import {
  childOf, fileWith, folderOf, killChildren, newPath, openJournal, outputOf, refusal, stageOf, start, startBehind,
  userLine, userNamed, withStore,
} from '../support/user-files.ts';

const hasProc = existsSync('/proc/self/stat');
const open = (path: string) => JsonFileUserStore.open(path);
const lockedBy = (holder: number) => refusal('ERR_STORE_LOCKED', 'users.jsonl is in use', `process ${holder}:`);

/** Stale after a second, for claims of processes that are known to be dead or suspended. */
const FAST: Pace = {
  beatMs: 50,
  lookMs: 50,
  staleLooks: 20,
};
const FAST_STALE_MS = FAST.lookMs * FAST.staleLooks;

/** Beats as often, and waits until a living process beats on a machine that is busy. */
const PATIENT: Pace = {
  ...FAST,
  staleLooks: 400,
};
const patient = JSON.stringify(PATIENT);
const lockedElsewhere = (holder: number) =>
  refusal('ERR_STORE_LOCKED', `process ${holder}, maybe of another container or machine: stop that first`);

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
    const child = await start('store', 'hold', path);
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
  const place = await ownPlace();
  try {
    const stale = [
      '4194305.unknown', // above the highest number that Linux gives
      ...['garbage', '', '.', 'NaN.x', '-1.x', '0.x', '1.5.x', '1e9.x', '0x1.x', ' 1.x', '99999999999.x', '__proto__'],
    ];
    if (hasProc) {
      // Numbers of the living, but of others that had them before, as version 0.1 and as this one names them.
      const dead = [`${pid}.${bornAt(pid)}0`, `${holder}.${bornAt(holder)}0`, `${ended}.${bornAt(ended)}`];
      stale.push(...dead, ...dead.map((name) => `${name}.${place}.0123456789ab`));
      while (!readFileSync(`/proc/${ended}/stat`, 'utf8').includes(') Z ')) await delay(5);
    }
    for (const name of stale) {
      const path = fileWith('');
      fileWith('', claimOn(path, name));
      await withStore(path, async (store) => assert.equal(await store.insert(userNamed('joe')), true, name));
    }
    // Who could not tell when it was born is not thought to be dead.
    const born = bornAt(holder);
    for (const name of [born, 'unknown', ...(hasProc ? [`${born}.${place}.0123456789ab`] : [])]) {
      const path = fileWith('');
      fileWith('', claimOn(path, `${holder}.${name}`));
      await assert.rejects(open(path), lockedBy(holder));
    }
  } finally {
    living.kill();
  }
});

test('of 20 processes that start at once never two are in, and each gets in', async () => {
  const path = newPath();
  const children = await Promise.all(Array.from({ length: 20 }, () => start('store', 'race', path)));
  fileWith('', path);
  for (const child of children) child.send('go');
  await Promise.all(children.map(outputOf));
  assertNeverTwo(path, 20);
});

test('a process with a parenthesis in its name is known by its birth', { skip: !hasProc }, async () => {
  const link = join(dirname(fileWith('')), 'x) Z 1 2');
  symlinkSync('/bin/sh', link);
  const living = spawn(link, ['-c', 'echo ready; read line'], { stdio: ['pipe', 'pipe', 'ignore'] });
  try {
    await once(living.stdout, 'data');
    const { pid: holder = 0 } = living;
    assert.match(readFileSync(`/proc/${holder}/stat`, 'utf8'), /\(x\) Z 1 2\)/);
    for (const name of [bornAt(holder), `${bornAt(holder)}.${await ownPlace()}.0123456789ab`]) {
      const path = fileWith('');
      fileWith('', claimOn(path, `${holder}.${name}`));
      await assert.rejects(open(path), lockedBy(holder));
    }
  } finally {
    living.kill();
  }
});

test('a store whose file cannot be closed releases its lock all the same', { skip: !hasProc }, async () => {
  const path = newPath();
  const store = await open(path);
  const own = readdirSync('/proc/self/fd').filter((fd) => {
    // The descriptor that lists the folder is closed by now.
    const link = `/proc/self/fd/${fd}`;
    return existsSync(link) && readlinkSync(link) === path;
  });
  assert.equal(own.length, 1);
  closeSync(Number(own[0]));
  await assert.rejects(store.close(), { code: 'EBADF' });
  assert.deepEqual(folderOf(path), ['users.jsonl']);
  await withStore(path, () => undefined);
});

test('a lock beats every 2 seconds and is stale after 10', () => {
  assert.equal(PACE.beatMs, 2_000);
  assert.equal(PACE.lookMs * PACE.staleLooks, 10_000);
  assert.ok(PACE.lookMs < PACE.beatMs);
});

test('a store whose claim is removed in a write does not answer for it, nor for any later one', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(userNamed('joe'));
    const [, claim = ''] = folderOf(path);
    const probe = await openFile(path, 'r');
    const handles: FileHandle = Object.getPrototypeOf(probe);
    await probe.close();
    const { datasync } = handles;
    const { mock } = t.mock.method(handles, 'datasync', async function (this: FileHandle) {
      await datasync.call(this);
      unlinkSync(join(dirname(path), claim));
    });
    await assert.rejects(store.insert(userNamed('ann')), refusal('ERR_STORE', path, 'its lock is gone'));
    mock.restore();
    assert.equal(store.find('ann'), undefined);
    assert.match(String((await store.lost).cause), /its lock is gone/);
    // The claim is its own no more, even if there is one of that name.
    writeFileSync(join(dirname(path), claim), '');
    const bytes = readFileSync(path);
    await assert.rejects(store.insert(userNamed('bob')), refusal('ERR_STORE', path, 'its lock is gone'));
    assert.deepEqual(readFileSync(path), bytes);
  });
});

after(killChildren);

describe('where liveness cannot be seen', { concurrency: 3, timeout: 60_000 }, () => {
  for (const name of ['another PID namespace', 'another time namespace', 'a system without /proc'] as const) {
    const stage = stageOf(name);
    const options = { skip: stage === undefined && `the system refuses ${stage}` };
    const hold = async (path: string) => {
      const child = await startBehind(stage ?? [], 'store', 'lock', path, patient);
      child.send('go');
      await once(child, 'message');
      return child;
    };

    test(`${name}: a living holder is seen by its beat and a dead one by its silence`, options, async () => {
      const path = fileWith('');
      const child = await hold(path);
      const [, holder = ''] = /^users\.jsonl\.lock\.(\d+)\./.exec(folderOf(path)[1] ?? '') ?? [];
      await assert.rejects(lockFile(path, PATIENT), lockedElsewhere(Number(holder)));
      assert.equal(folderOf(path).length, 2, 'the claim is left alone');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const from = performance.now();
      const lock = await lockFile(path, FAST);
      const silence = performance.now() - from;
      assert.ok(silence >= FAST_STALE_MS - 100, `taken over after ${silence} ms`);
      assert.equal(lock.isTakenOver, true);
      await lock.release();
      assert.deepEqual(folderOf(path), ['users.jsonl']);
    });

    test(`${name}: the lock of a holder that lets go is free at once`, options, async () => {
      const path = fileWith('');
      const child = await hold(path);
      const opening = lockFile(path, PATIENT);
      // Seen beating, or gone: the holder is asked to let go while it is watched.
      child.send('let go');
      await once(child, 'exit');
      await opening.then((lock) => lock.release(), () => undefined);
      const lock = await lockFile(path, FAST);
      assert.equal(lock.isTakenOver, false);
      await lock.release();
    });
  }

  const pidNamespace = stageOf('another PID namespace');
  const skip = pidNamespace === undefined && 'the system refuses a PID namespace';
  const noProc = stageOf('a system without /proc');
  const skipNoProc = noProc === undefined && 'the system refuses to hide /proc';

  test('of 8 processes that all are process 1 of a PID namespace never two are in', { skip }, async () => {
    const path = fileWith('');
    const children = await Promise.all(Array.from({ length: 8 }, (_, index) =>
      startBehind(pidNamespace ?? [], 'store', 'raceForLock', path, patient, String(index))));
    for (const child of children) child.send('go');
    await Promise.all(children.map(outputOf));
    assertNeverTwo(path, 8);
  });

  test('two processes without /proc see each other', { skip: skipNoProc }, async () => {
    const path = fileWith('');
    const first = await startBehind(noProc ?? [], 'store', 'lock', path, patient);
    first.send('go');
    await once(first, 'message');
    assert.match(await refusalOn(noProc ?? [], path), RegExp(`is in use by process ${first.pid},`));
    first.send('let go');
    await once(first, 'exit');
  });

  test('a process without /proc knows its own claim', { skip: skipNoProc }, async () => {
    const path = fileWith('');
    const child = await startBehind(noProc ?? [], 'store', 'lockTwice', path, patient);
    child.send('go');
    assert.match(await outputOf(child), RegExp(`is in use by process ${child.pid}: stop that first`));
  });

  test('without /proc a claim of version 0.1 is judged by its PID', { skip: skipNoProc }, async () => {
    const path = fileWith('');
    fileWith('', claimOn(path, `${pid}.${bornAt(pid)}`));
    assert.match(await refusalOn(noProc ?? [], path), RegExp(`^AuthError: .*is in use by process ${pid}:`));
    renameSync(claimOn(path, `${pid}.${bornAt(pid)}`), claimOn(path, '4194305.12345678-1'));
    assert.equal(await refusalOn(noProc ?? [], path), '');
  });

  test('/proc of another PID namespace is not believed', { skip }, async () => {
    const path = fileWith('');
    const stage = (pidNamespace ?? []).filter((word) => word !== '--mount-proc');
    const child = await startBehind(stage, 'store', 'lock', path, patient);
    child.send('go');
    await once(child, 'message');
    assert.match(folderOf(path)[1] ?? '', /^users\.jsonl\.lock\.1\.unknown\.unknown\.[0-9a-f]{12}$/);
    // Nothing but the random part tells the claim of this one from it.
    assert.match(await refusalOn(stage, path), /^AuthError: .*is in use by process 1, maybe of another container/);
    child.send('let go');
    await once(child, 'exit');
  });

  for (const [moment, isTaken] of [
    ['before the write', true], ['after the sync', true], ['before the write', false], ['after the sync', false],
  ] as const) {
    const outcome = isTaken ? 'answers for nothing after a takeover' : 'goes on after it';
    test(`a holder suspended ${moment} ${outcome}`, { skip }, async () => {
      const path = fileWith('');
      await withStore(path, (store) => store.insert(userNamed('joe')));
      const child = await startBehind(pidNamespace ?? [], 'store', 'insertSlowly', path, moment);
      const output = outputOf(child);
      child.send('go');
      await once(child, 'message');
      const holder = childOf(child.pid);
      kill(holder, 'SIGSTOP');
      const takeOver = async () => {
        const lock = await lockFile(path, FAST);
        return { lock, journal: await openJournal(path, undefined, lock) };
      };
      const taken = isTaken ? await takeOver() : undefined;
      assert.equal(taken?.journal.entries.has('ann'), isTaken ? moment === 'after the sync' : undefined);
      await taken?.journal.append(userRecord('insert', userNamed('bob')));
      kill(holder, 'SIGCONT');
      child.send('go on');
      const [answer = '', lost = ''] = (await output).split('\n');
      if (isTaken) {
        assert.match(answer, /cannot be written: .*its lock is gone: .*suspended.*may be there after a restart/);
        assert.match(lost, /its lock is gone/);
      } else {
        assert.deepEqual([answer, lost], ['true', 'not lost']);
      }
      // What the holder before wrote in the end is not in the file of this one.
      await taken?.journal.check();
      await taken?.journal.append(userRecord('insert', userNamed('eve')));
      await taken?.journal.close();
      await taken?.lock.release();
      await withStore(path, (store) => {
        const found = ['joe', 'ann', 'bob', 'eve'].filter((id) => store.find(id) !== undefined);
        const isWritten = !isTaken || moment === 'after the sync';
        assert.deepEqual(found, ['joe', ...(isWritten ? ['ann'] : []), ...(isTaken ? ['bob', 'eve'] : [])]);
      });
    });
  }
});

/** Opening each of these files changes it or replaces it. */
const TO_MEND: Record<string, (path: string) => void> = {
  'a torn file': (path) => appendFileSync(path, '{"op":'),
  'a worn file': (path) => appendFileSync(path, userLine('update', userNamed('joe')).repeat(1001)),
  'a file that is taken over': () => undefined,
};

test('an open whose claim is removed while it reads or copies leaves the file as it was', async () => {
  for (const [what, damage] of Object.entries(TO_MEND)) {
    const isTakenOver = what === 'a file that is taken over';
    let refused = 0;
    for (let confirmations = 0; confirmations < 3; confirmations += 1) {
      const path = newPath();
      await withStore(path, (store) => store.insert(userNamed('joe')));
      damage(path);
      const before = { bytes: readFileSync(path), ino: statSync(path).ino };
      const lock = await lockFile(path);
      const [, claim = ''] = folderOf(path);
      let confirmed = 0;
      const confirm = async () => {
        if (confirmed === confirmations) unlinkSync(join(dirname(path), claim));
        confirmed += 1;
        await lock.confirm();
      };
      const journal = await openJournal(path, undefined, { isTakenOver, confirm, id: lock.id }).catch(String);
      await lock.release();
      if (typeof journal !== 'string') {
        await journal.close();
        continue;
      }
      refused += 1;
      assert.match(journal, /its lock is gone/, what);
      assert.deepEqual({ bytes: readFileSync(path), ino: statSync(path).ino }, before, what);
      assert.deepEqual(folderOf(path), ['users.jsonl'], what);
    }
    assert.ok(refused >= 1, what);
  }
});

test('a holder suspended right before it renames its copy does not replace the file of the next holder', async () => {
  const path = newPath();
  await withStore(path, (store) => store.insert(userNamed('joe')));
  // Not closed cleanly, so that each holder has to copy it.
  appendFileSync(path, userLine('insert', userNamed('ann')));
  let next: Journal<User> | undefined;
  const confirm = async () => {
    // The next holder takes over here, after this one has seen its claim for the last time.
    await removeDrafts(path);
    next ??= await openJournal(path, undefined, { id: 'next', isTakenOver: true, confirm: async () => undefined });
    await next.append(userRecord('insert', userNamed('bob')));
  };
  await assert.rejects(openJournal(path, undefined, { id: 'suspended', isTakenOver: false, confirm }), /replaced it/);
  await next?.append(userRecord('insert', userNamed('eve')));
  await next?.close();
  assert.deepEqual(folderOf(path), ['users.jsonl']);
  await withStore(path, (store) => {
    for (const id of ['joe', 'ann', 'bob', 'eve']) assert.ok(store.find(id), id);
  });
});

test('of 20 opens of one process exactly one gets in', async () => {
  for (let round = 0; round < 5; round += 1) {
    const path = fileWith('');
    const opens = await Promise.allSettled(Array.from({ length: 20 }, () => open(path)));
    const stores = opens.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(stores.length, 1);
    for (const result of opens) assert.ok(result.status === 'fulfilled' || lockedBy(pid)(result.reason));
    await stores[0]?.close();
  }
});

test('a check finds no fault in writes of its own, gathered, under way or torn', async (t) => {
  const path = newPath();
  await withStore(path, () => undefined);
  const journal = await openJournal(path);
  const calls: Promise<void>[] = [];
  for (let index = 0; index < 300; index += 1) {
    calls.push(journal.append(userRecord('insert', userNamed(String(index)))), journal.check());
    if (index % 7 === 0) await delay(0);
  }
  await Promise.all(calls);
  await journal.close();
  // A slow answer to the check must not be compared with what was written in the meantime.
  const delays = [0, 50];
  const disk = {
    ...fs,
    async stat(file: string) {
      const status = await fs.stat(file);
      await delay(delays.shift());
      return status;
    },
  };
  const slow = await openJournal(path, disk);
  await Promise.all([slow.append(userRecord('insert', userNamed('slow'))), slow.check()]);
  await slow.close();
  const probe = await openFile(path, 'r');
  const handles: FileHandle = Object.getPrototypeOf(probe);
  await probe.close();
  const fail = () => Promise.reject(new Error('EIO: made by the test'));
  const torn = await openJournal(path);
  for (const method of ['datasync', 'truncate'] as const) t.mock.method(handles, method, fail);
  await assert.rejects(torn.append(userRecord('insert', userNamed('joe'))), /EIO/);
  await torn.check();
  t.mock.restoreAll();
  await torn.append(userRecord('insert', userNamed('joe')));
  await torn.check();
  appendFileSync(path, '\n');
  await assert.rejects(torn.check(), /another program changed it/);
  await torn.close();
  await torn.check();
});

test('what a failed write left is not cut off once the lock is gone', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    const [, claim = ''] = folderOf(path);
    const probe = await openFile(path, 'r');
    const handles: FileHandle = Object.getPrototypeOf(probe);
    await probe.close();
    t.mock.method(handles, 'datasync', async () => {
      // Another process has taken over and answers for what it finds.
      unlinkSync(join(dirname(path), claim));
      throw new Error('EIO: made by the test');
    }, { times: 1 });
    await assert.rejects(store.insert(userNamed('ann')), refusal('ERR_STORE', 'may be there after a restart'));
    const bytes = readFileSync(path);
    assert.match(bytes.toString(), /"ann"/);
    assert.match(String((await store.lost).cause), /EIO/);
    await assert.rejects(store.insert(userNamed('bob')), refusal('ERR_STORE', 'its lock is gone'));
    assert.deepEqual(readFileSync(path), bytes);
  });
});

/** @returns why a process on that stage does not get the lock, or nothing if it does, and lets go */
async function refusalOn(stage: readonly string[], path: string): Promise<string> {
  const child = await startBehind(stage, 'store', 'lock', path, patient);
  child.once('message', () => child.send('let go'));
  child.send('go');
  return outputOf(child);
}

/** Each process marks beside the file when it comes and when it goes. */
function assertNeverTwo(path: string, processes: number): void {
  const marks = readFileSync(`${path}.marks`, 'utf8').trimEnd().split('\n');
  assert.equal(new Set(marks).size, 2 * processes);
  for (const [index, mark] of marks.entries()) {
    if (index % 2 === 1) assert.equal(mark, marks[index - 1]?.replace('in', 'out'));
  }
}

/** The place in the name of a claim of this process. */
async function ownPlace(): Promise<string> {
  const path = fileWith('');
  const lock = await lockFile(path);
  const name = readdirSync(dirname(path)).find((file) => file.includes('.lock.')) ?? '';
  await lock.release();
  return name.split('.').at(-2) ?? '';
}

const claimOn = (path: string, name: string): string => join(dirname(path), `users.jsonl.lock.${name}`);

/** As the claims have it: the boot, and when the process started (proc(5), field 22). */
function bornAt(of: number): string {
  if (!hasProc) return 'unknown';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  return `${boot}-${readFileSync(`/proc/${of}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ')[20]}`;
}
