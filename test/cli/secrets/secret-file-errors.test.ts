/** Starts whose data folder cannot be used: what the operator is told fits the reason. */
import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { folderWithExfat, onExfat, onMounted, works } from '../../support/exfat.ts';
import { someOf } from '../../support/long.ts';
import { without } from '../../support/missing-calls.ts';
import {
  assertRefused,
  command,
  emptyFolder,
  run,
  serve,
  stop,
  type Where,
} from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const KIND = 'errors that name the right culprit:';
const CALLS = 'calls that a file system does not have:';
const FLAGS = 'serve --port 0 --data data --scrypt-cost 17';
const OTHERS = ', or use another --data, or set LATCHKEY_SECRET.\n';
const VARIABLE = { LATCHKEY_SECRET: SECRET };

/** Runs the command in a mount namespace of its own, which ends with it. */
function behind(script: string, cwd: string): Where {
  const words = ['sh', '-c', `${script} && exec "$@"`, 'sh'];
  return { cwd, command: ['unshare', '--mount', ...words, ...command()] };
}

const isRefusingMounts = !works('mount -t tmpfs none /mnt');
const onTmpfs = { skip: isRefusingMounts && 'the system refuses a mount namespace' };

describe('a data folder that cannot be used', { concurrency: 4, timeout: 240_000 }, () => {
  const REMEDIES = [
    ['EACCES', 'Let the user of this process read and write this file and its folder'],
    ['EPERM', 'Make sure that no attribute (lsattr) and no sandbox protects it'],
    ['EROFS', 'Mount its file system for writing'],
    ['ENOSPC', 'Free disk space or inodes'],
    ['EDQUOT', 'Free disk space or raise the disk quota'],
    ['EIO', 'Check the disk and the log of the system'],
  ] as const;
  for (const [code, remedy] of someOf(REMEDIES)) {
    it(`${KIND} a secret that cannot be made (${code}) tells what helps`, async () => {
      const cwd = await emptyFolder();
      const refused = await run(FLAGS, without(`open ${code}`, { cwd }));
      assertRefused(refused, 1, [RegExp(`^latchkey: data/secret: ${code}: `)]);
      assert.ok(refused.stderr.endsWith(`. ${remedy}${OTHERS}`), refused.stderr);
      const users = await run(FLAGS, without(`open ${code}`, { cwd, env: VARIABLE }));
      assertRefused(users, 1, [RegExp(`^latchkey: data/users.jsonl cannot be opened: ${code}: `)]);
      const small = `${remedy.charAt(0).toLowerCase()}${remedy.slice(1)}`;
      assert.ok(users.stderr.endsWith(`: ${small}, or use another folder\n`), users.stderr);
    });
  }

  it(`${KIND} too many open files are not a matter of the folder`, async () => {
    const cwd = await emptyFolder();
    for (const env of [{}, VARIABLE]) {
      const refused = await run(FLAGS, without('open EMFILE', { cwd, env }));
      assertRefused(refused, 1, [/EMFILE.*aise the limit on open files .*\(ulimit -n\)\.?\n$/]);
      assert.doesNotMatch(refused.stderr, /--data|another|LATCHKEY_SECRET/);
    }
  });

  it(`${KIND} a path that does not lead to a file tells where to look`, async () => {
    const dangle = async (cwd: string) => {
      await mkdir(join(cwd, 'data'));
      await symlink('none', join(cwd, 'data/secret'));
    };
    const OBSTACLES = [
      ['ENOTDIR', (cwd: string) => writeFile(join(cwd, 'data'), ''), /needs a folder where a/],
      ['data', (cwd: string) => symlink('data', join(cwd, 'data')), /in a circle, or/],
      ['ENOENT', dangle, /Fix or remove the symbolic link/],
    ] as const;
    for (const [code, obstruct, remedy] of OBSTACLES) {
      const cwd = await emptyFolder();
      await obstruct(cwd);
      assertRefused(await run(FLAGS, { cwd }), 1, [RegExp(`data/secret: ${code}`), remedy]);
    }
  });

  it(`${KIND} a full disk and a read-only one, which are real`, onTmpfs, async () => {
    for (const [options, code, remedy] of [
      ['nr_inodes=2', 'ENOSPC', 'Free disk space or inodes'],
      ['ro', 'EROFS', 'Mount its file system for writing'],
    ]) {
      const cwd = await emptyFolder();
      await mkdir(join(cwd, 'data'));
      const refused = await run(FLAGS, behind(`mount -t tmpfs -o ${options} none data`, cwd));
      assertRefused(refused, 1, [RegExp(`data/secret: ${code}: `), RegExp(`\\. ${remedy}, or`)]);
      assert.deepEqual(await readdir(join(cwd, 'data')), []);
    }
    const cwd = await emptyFolder();
    await mkdir(join(cwd, 'data'), { mode: 0o700 });
    const script = 'mount -t tmpfs -o nr_inodes=20,mode=700 none data';
    assert.equal((await stop(await serve(FLAGS, behind(script, cwd)))).stderr, '');
  });
});

const NO_ADMINISTRATION = 'latchkey: "latchkey users" does not work while this server runs, .+';

describe('a data folder on exFAT', onExfat, () => {
  it(`${CALLS} is used if its mount keeps other users out`, async () => {
    const cwd = await folderWithExfat();
    for (const summary of [/data\/secret \(new, mode 0700\)\./, /data\/secret\./]) {
      await onMounted(cwd, 'umask=0077', async () => {
        const server = await serve(FLAGS, { cwd });
        assert.match(server.output.stdout, summary);
        // The file system has no Unix sockets.
        assert.match((await stop(server)).stderr, RegExp(`^${NO_ADMINISTRATION}\n$`));
      });
    }
  });

  it(`${KIND} the mount is to be changed if others can read the files`, async () => {
    const cwd = await folderWithExfat();
    await onMounted(cwd, 'umask=0022', async () => {
      const { stderr } = await stop(await serve(FLAGS, { cwd }));
      const [secret = '', users = '', sessions = '', last = '', ...more] =
        stderr.trimEnd().split('\n');
      const mount = 'its mount sets owners .*: mount it .*umask=0077.*, or use another --data';
      assert.match(secret, RegExp(`^latchkey: data/secret is accessible .*${mount}, or set LATCH`));
      assert.match(users, RegExp(`^latchkey: data/users.jsonl is accessible .*${mount}$`));
      assert.match(sessions, RegExp(`^latchkey: data/sessions.jsonl is accessible .*${mount}$`));
      assert.match(last, RegExp(`^${NO_ADMINISTRATION}$`));
      assert.deepEqual(more, []);
      assert.doesNotMatch(stderr, /chmod/);
    });
  });

  it(`${KIND} a secret that others can write is refused, and none is left`, async () => {
    const cwd = await folderWithExfat();
    await onMounted(cwd, 'umask=0000', async () => {
      const refused = await run(FLAGS, { cwd });
      const words = [/data\/secret can be written by every user/, /its mount sets/, /LATCHKEY_SE/];
      assertRefused(refused, 1, words);
      assert.doesNotMatch(refused.stderr, /chmod/);
      assert.deepEqual(await readdir(join(cwd, 'data')), []);
    });
  });
});
