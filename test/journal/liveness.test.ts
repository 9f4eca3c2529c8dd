/**
 * Whether a holder is alive. Its start time decides where the system has one, and its heartbeat
 * elsewhere.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { kill, pid } from 'node:process';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lockFile } from '../../src/journal/file-lock.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { userRecord } from '../../src/users/user-records.ts';
import {
  assertNeverTwo,
  startIdOf,
  claimOn,
  FAST,
  hasProc,
  lockedBy,
  ownScope,
  PATIENT,
} from '../support/claims.ts';
import {
  childOf,
  fileWith,
  folderOf,
  killChildren,
  openJournal,
  outputOf,
  refusal,
  stageOf,
  startBehind,
  userNamed,
  withStore,
} from '../support/user-files.ts';

const open = (path: string) => JsonFileUserStore.open(path);

const patient = JSON.stringify(PATIENT);
const lockedElsewhere = (holder: number) =>
  refusal(
    'ERR_STORE_LOCKED',
    `process ${holder}, maybe of another container or machine: stop that process first`,
  );

after(killChildren);

test('the claim of a living process locks the file, that of a dead one does not', async () => {
  // A zombie: the first process ends, and its parent never asks for its exit code.
  const living = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = Number((await once(living.stdout.setEncoding('utf8'), 'data'))[0]);
  const { pid: holder = 0 } = living;
  const place = await ownScope();
  try {
    const stale = [
      '4194305.unknown', // above the highest PID of Linux
      ...[
        'garbage',
        '',
        '.',
        'NaN.x',
        '-1.x',
        '0.x',
        '1.5.x',
        '1e9.x',
        '0x1.x',
        ' 1.x',
        '99999999999.x',
        '__proto__',
      ],
    ];
    if (hasProc) {
      // Living PIDs in claims of earlier processes, as version 0.1 and this version name them.
      const dead = [
        `${pid}.${startIdOf(pid)}0`,
        `${holder}.${startIdOf(holder)}0`,
        `${ended}.${startIdOf(ended)}`,
      ];
      stale.push(...dead, ...dead.map((name) => `${name}.${place}.0123456789ab`));
      while (!readFileSync(`/proc/${ended}/stat`, 'utf8').includes(') Z ')) await delay(5);
    }
    for (const name of stale) {
      const path = fileWith('');
      fileWith('', claimOn(path, name));
      await withStore(path, async (store) =>
        assert.equal(await store.insert(userNamed('joe')), true, name),
      );
    }
    // Without a start time the process with this PID counts as the holder.
    const born = startIdOf(holder);
    for (const name of [born, 'unknown', ...(hasProc ? [`${born}.${place}.0123456789ab`] : [])]) {
      const path = fileWith('');
      fileWith('', claimOn(path, `${holder}.${name}`));
      await assert.rejects(open(path), lockedBy(holder));
    }
  } finally {
    living.kill();
  }
});

test(
  'the start time of a process is found though its name has a parenthesis',
  { skip: !hasProc },
  async () => {
    const link = join(dirname(fileWith('')), 'x) Z 1 2');
    symlinkSync('/bin/sh', link);
    const living = spawn(link, ['-c', 'echo ready; read line'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    try {
      await once(living.stdout, 'data');
      const { pid: holder = 0 } = living;
      assert.match(readFileSync(`/proc/${holder}/stat`, 'utf8'), /\(x\) Z 1 2\)/);
      const startId = startIdOf(holder);
      for (const name of [startId, `${startId}.${await ownScope()}.0123456789ab`]) {
        const path = fileWith('');
        fileWith('', claimOn(path, `${holder}.${name}`));
        await assert.rejects(open(path), lockedBy(holder));
      }
    } finally {
      living.kill();
    }
  },
);

describe('where liveness cannot be seen', { concurrency: 3, timeout: 60_000 }, () => {
  for (const name of [
    'another PID namespace',
    'another time namespace',
    'a system without /proc',
  ] as const) {
    const stage = stageOf(name);
    const options = { skip: stage === undefined && `the system refuses ${stage}` };
    const hold = async (path: string) => {
      const child = await startBehind(stage ?? [], 'store', 'lock', path, patient);
      child.send('go');
      await once(child, 'message');
      return child;
    };

    test(
      `${name}: an opener is refused by a living holder, and takes over from a dead one`,
      options,
      async () => {
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
        const stale = FAST.pollMs * FAST.pollsUntilStale;
        assert.ok(silence >= stale - 100, `taken over after ${silence} ms`);
        assert.equal(lock.isTakenOver, true);
        await lock.release();
        assert.deepEqual(folderOf(path), ['users.jsonl']);
      },
    );

    test(`${name}: the next opener does not wait for a released lock`, options, async () => {
      const path = fileWith('');
      const child = await hold(path);
      const opening = lockFile(path, PATIENT);
      // The holder releases its claim while the opener watches it. So the opener sees either a
      // heartbeat or the end of the claim.
      child.send('let go');
      await once(child, 'exit');
      await opening.then(
        (lock) => lock.release(),
        () => undefined,
      );
      const lock = await lockFile(path, FAST);
      assert.equal(lock.isTakenOver, false);
      await lock.release();
    });
  }

  const pidNamespace = stageOf('another PID namespace');
  const skip = pidNamespace === undefined && 'the system refuses a PID namespace';
  const noProc = stageOf('a system without /proc');
  const skipNoProc = noProc === undefined && 'the system refuses to hide /proc';

  test(
    '8 processes, each PID 1 in its namespace, get the lock one after the other',
    { skip },
    async () => {
      const path = fileWith('');
      const children = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          startBehind(pidNamespace ?? [], 'store', 'raceForLock', path, patient, String(index)),
        ),
      );
      for (const child of children) child.send('go');
      await Promise.all(children.map(outputOf));
      assertNeverTwo(path, 8);
    },
  );

  test('without /proc a process is refused a held lock', { skip: skipNoProc }, async () => {
    const path = fileWith('');
    const first = await startBehind(noProc ?? [], 'store', 'lock', path, patient);
    first.send('go');
    await once(first, 'message');
    assert.match(await refusalOn(noProc ?? [], path), RegExp(`is in use by process ${first.pid},`));
    first.send('let go');
    await once(first, 'exit');
  });

  test('without /proc a process cannot lock a file twice', { skip: skipNoProc }, async () => {
    const path = fileWith('');
    const child = await startBehind(noProc ?? [], 'store', 'lockTwice', path, patient);
    child.send('go');
    assert.match(
      await outputOf(child),
      RegExp(`is in use by process ${child.pid}: this process itself has it open`),
    );
  });

  test(
    'without /proc a claim of version 0.1 counts if a process has its PID',
    { skip: skipNoProc },
    async () => {
      const path = fileWith('');
      fileWith('', claimOn(path, `${pid}.${startIdOf(pid)}`));
      assert.match(
        await refusalOn(noProc ?? [], path),
        RegExp(`^AuthError: .*is in use by process ${pid}:`),
      );
      renameSync(claimOn(path, `${pid}.${startIdOf(pid)}`), claimOn(path, '4194305.12345678-1'));
      assert.equal(await refusalOn(noProc ?? [], path), '');
    },
  );

  test('/proc of another PID namespace is not trusted', { skip }, async () => {
    const path = fileWith('');
    const stage = (pidNamespace ?? []).filter((word) => word !== '--mount-proc');
    const child = await startBehind(stage, 'store', 'lock', path, patient);
    child.send('go');
    await once(child, 'message');
    assert.match(
      folderOf(path)[1] ?? '',
      /^users\.jsonl\.lock\.1\.unknown\.unknown\.[0-9a-f]{12}$/,
    );
    // Only the random part tells the two claims apart.
    assert.match(
      await refusalOn(stage, path),
      /^AuthError: .*is in use by process 1, maybe of another container/,
    );
    child.send('let go');
    await once(child, 'exit');
  });

  for (const [title, moment, isTaken] of [
    ['suspended before the write, a holder fails after a takeover', 'before the write', true],
    ['suspended after the sync, a holder fails after a takeover', 'after the sync', true],
    ['suspended before the write, a holder without rivals continues', 'before the write', false],
    ['suspended after the sync, a holder without rivals continues', 'after the sync', false],
  ] as const) {
    test(title, { skip }, async () => {
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
      assert.equal(
        taken?.journal.entries.has('ann'),
        isTaken ? moment === 'after the sync' : undefined,
      );
      await taken?.journal.append(userRecord('insert', userNamed('bob')));
      kill(holder, 'SIGCONT');
      child.send('go on');
      const [answer = '', lost = ''] = (await output).split('\n');
      if (isTaken) {
        assert.match(
          answer,
          /cannot be written: .*its lock is gone: .*suspended.*may be there after a restart/,
        );
        assert.match(lost, /its lock is gone/);
      } else {
        assert.deepEqual([answer, lost], ['true', 'not lost']);
      }
      // The last write of the old holder is not in the file of the new one.
      await taken?.journal.check();
      await taken?.journal.append(userRecord('insert', userNamed('eve')));
      await taken?.journal.close();
      await taken?.lock.release();
      await withStore(path, (store) => {
        const found = ['joe', 'ann', 'bob', 'eve'].filter((id) => store.find(id) !== undefined);
        const isWritten = !isTaken || moment === 'after the sync';
        assert.deepEqual(found, [
          'joe',
          ...(isWritten ? ['ann'] : []),
          ...(isTaken ? ['bob', 'eve'] : []),
        ]);
      });
    });
  }
});

/**
 * Starts a process behind the command of a stage, which tries to get the lock.
 * @returns why it does not get the lock; '' if it gets the lock, which it then releases
 */
async function refusalOn(stage: readonly string[], path: string): Promise<string> {
  const child = await startBehind(stage, 'store', 'lock', path, patient);
  child.once('message', () => child.send('let go'));
  child.send('go');
  return outputOf(child);
}
