/**
 * Who else can read or change the secret and the users: real files with owners and modes, and real child processes. What
 * takes a file of another user takes root, and is skipped elsewhere.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, lchown, mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { JsonFileUserStore } from '../../src/index.ts';
import { keptSecrets } from '../../src/cli/secret-file.ts';
import { assertRefused, commandIn, emptyFolder, ROOT, run, serve } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

const isRoot = process.geteuid?.() === 0;
const asRoot = { skip: !isRoot && 'only root can give a file to another user' };
const NOBODY = 65_534;
const uid = process.geteuid?.() ?? 0;
const gid = process.getegid?.() ?? 0;
const SELF = { uid, gids: [gid] };

/** User and group of each. */
interface Owners {
  readonly folder?: readonly number[];
  readonly file?: readonly number[];
}

/** Makes a folder `data` with a secret in it, each with a mode and perhaps an owner and a group. */
async function dataWith(folderMode: number, fileMode: number, owners: Owners = {}) {
  const cwd = await emptyFolder();
  const data = join(cwd, 'data');
  const secret = join(data, 'secret');
  await mkdir(data);
  await writeFile(secret, `${SECRET}\n`);
  await chmod(secret, fileMode);
  await chmod(data, folderMode);
  for (const [path, [owner, group] = []] of [[data, owners.folder], [secret, owners.file]] as const) {
    if (owner !== undefined && group !== undefined) await chown(path, owner, group);
  }
  return { cwd, data, secret };
}

const FLAGS = 'serve --port 0 --data data --scrypt-cost 17';

/** Starts the server, stops it, and answers what it said on stderr. */
async function warningsOf(cwd: string, env: Record<string, string> = {}, flags = FLAGS): Promise<string> {
  const { child, ended } = await serve(flags, { cwd, env });
  child.kill('SIGTERM');
  const { code, stderr } = await ended;
  assert.equal(code, 0);
  return stderr;
}

describe('a secret that another user can change', { concurrency: 2, timeout: 120_000 }, () => {
  const OTHER = [NOBODY, NOBODY];
  const SHARED = [0, NOBODY];
  type Row = readonly [what: string, folderMode: number, fileMode: number, owners: Owners, word: RegExp];
  const REFUSED: readonly Row[] = [
    ['the file belongs to another user', 0o700, 0o600, { file: OTHER }, /data\/secret belongs to another user \(uid 65534\)/],
    ['another group can write the file', 0o700, 0o660, { file: SHARED }, /data\/secret can be written by its group/],
  ];
  const REFUSED_ANYWHERE: readonly Row[] = [
    ['every user can write the file', 0o700, 0o606, {}, /data\/secret can be written by every user/],
  ];
  const WARNED: readonly Row[] = [
    ['the folder belongs to another user', 0o700, 0o600, { folder: OTHER }, /data belongs to another user \(uid 65534\)/],
    ['another group can write the folder', 0o775, 0o600, { folder: SHARED }, /data can be written by its group/],
    ['every user can write the folder', 0o777, 0o600, {}, /data can be written by every user/],
  ];
  const rows = [...REFUSED.map((row) => [row, asRoot] as const), ...REFUSED_ANYWHERE.map((row) => [row, {}] as const)];
  for (const [[what, folderMode, fileMode, owners, word], options] of rows) {
    it(`is refused: ${what}`, options, async () => {
      const { cwd, data } = await dataWith(folderMode, fileMode, owners);
      assertRefused(await run(FLAGS, { cwd }), 1, [word, /LATCHKEY_SECRET/]);
      assert.deepEqual(await readdir(data), ['secret']);
      assert.equal(await warningsOf(cwd, { LATCHKEY_SECRET: SECRET }, `${FLAGS} --users memory`), '');
    });
  }

  for (const [what, folderMode, fileMode, owners, word] of WARNED) {
    it(`is warned of, because volumes of containers are so: ${what}`, asRoot, async () => {
      const { cwd } = await dataWith(folderMode, fileMode, owners);
      const lines = (await warningsOf(cwd)).trimEnd().split('\n');
      assert.equal(lines.length, 2, 'one for the secret and one for the users');
      for (const line of lines) assert.match(line, word);
    });
  }

  it('is refused once another user has put a file in its place, in a folder where every user can', asRoot, async () => {
    const { cwd, data, secret } = await dataWith(0o777, 0o600);
    assert.match(await warningsOf(cwd), /every user/);
    await rm(secret);
    await writeFile(secret, `${SECRET}\n`, { mode: 0o600 });
    await chown(secret, NOBODY, NOBODY);
    assertRefused(await run(FLAGS, { cwd }), 1, [/data\/secret belongs to another user/, /LATCHKEY_SECRET/]);
    assert.ok((await readdir(data)).includes('secret'));
  });

  it('is refused where the file of users, whose first line is known, has its name', async () => {
    const { cwd, secret } = await dataWith(0o700, 0o600);
    await (await JsonFileUserStore.open(secret.replace('secret', 'users.jsonl'))).close();
    await rename(secret.replace('secret', 'users.jsonl'), secret);
    assertRefused(await run(FLAGS, { cwd }), 1, [/got a file of users/]);
  });

  it('is refused where it is a pipe, which would not end, or very large', async () => {
    for (const make of [
      (path: string) => execFileSync('mkfifo', ['-m', '600', path]),
      (path: string) => writeFile(path, 'x'.repeat(100_000), { mode: 0o600 }),
    ]) {
      const { secret } = await dataWith(0o700, 0o600);
      await rm(secret);
      await make(secret);
      await assert.rejects(keptSecrets(secret, SELF), /not a regular file|too large/);
    }
  });

  it('is made in a folder with the sticky bit, such as /tmp, where only its owner can replace it', async () => {
    const cwd = await emptyFolder();
    await mkdir(join(cwd, 'data'));
    await chmod(join(cwd, 'data'), 0o1777);
    assert.equal(await warningsOf(cwd), '');
  });

  it('is followed through links: their owners, their folders and the file at the end count', asRoot, async () => {
    const accepted = await dataWith(0o700, 0o600);
    const link = join(await emptyFolder(), 'secret');
    await symlink(accepted.secret, link);
    assert.deepEqual((await keptSecrets(link, SELF)).warnings, []);
    // A link of another user, in a folder with the sticky bit, leads to a file of this one whose text that user knows.
    const sticky = await emptyFolder();
    await chmod(sticky, 0o1777);
    const foreign = join(sticky, 'secret');
    await symlink(accepted.secret, foreign);
    await lchown(foreign, NOBODY, NOBODY);
    await assert.rejects(keptSecrets(foreign, SELF), /secret belongs to another user/);
    for (const fileMode of [0o602, 0o606]) {
      const { secret } = await dataWith(0o700, fileMode);
      const folder = await emptyFolder();
      await symlink(secret, join(folder, 'secret'));
      await assert.rejects(keptSecrets(join(folder, 'secret'), SELF), /can be written by every user/);
      // By a link to the folder as well, which is relative.
      await symlink(`../${dirname(secret).split('/').slice(-2).join('/')}`, join(folder, 'data'));
      await assert.rejects(keptSecrets(join(folder, 'data/secret'), SELF), /can be written by every user/);
    }
    const circle = join(await emptyFolder(), 'secret');
    await symlink('secret', circle);
    await assert.rejects(keptSecrets(circle, SELF), /symbolic links/);
  });

  it('of root is as good as of the own user', asRoot, async () => {
    const { secret } = await dataWith(0o755, 0o644);
    assert.deepEqual((await keptSecrets(secret, { uid: 1000, gids: [1000] })).warnings, []);
    const own = await dataWith(0o755, 0o600, { folder: [1000, 1000], file: [1000, 1000] });
    assert.deepEqual((await keptSecrets(own.secret, { uid: 1000, gids: [1000] })).warnings, []);
    await assert.rejects(keptSecrets(own.secret, { uid: 1001, gids: [1000] }), /belongs to another user \(uid 1000\)/);
    assert.deepEqual((await keptSecrets(own.secret)).warnings, [], 'where the system has no users');
  });
});

describe('a secret and users that others can read', { concurrency: 2, timeout: 120_000 }, () => {
  it('on a volume that a group of this process can write, there is a warning and no refusal', async () => {
    const { cwd, data, secret } = await dataWith(0o2770, 0o660);
    const stderr = await warningsOf(cwd, {}, `${FLAGS} --users memory`);
    assert.deepEqual(stderr.split('\n'), [
      'latchkey: data/secret can be read by other users: chmod 600 data/secret',
      `latchkey: data/secret: ${data} can be written by its group (gid ${gid})`,
      `latchkey: data/secret: ${secret} can be written by its group (gid ${gid})`,
      '',
    ]);
  });

  it('below a folder of another user there is a warning', asRoot, async () => {
    const { cwd, secret } = await dataWith(0o700, 0o600);
    await chown(cwd, NOBODY, NOBODY);
    const { warnings } = await keptSecrets(secret, SELF);
    assert.deepEqual(warnings, [`${cwd} belongs to another user (uid 65534)`]);
  });

  for (const [mode, isShared] of [[0o600, false], [0o400, false], [0o640, true], [0o604, true], [0o644, true]] as const) {
    it(`mode ${mode.toString(8)} is ${isShared ? 'warned of' : 'silent'}, of the secret and of the users`, async () => {
      const { cwd, data, secret } = await dataWith(0o700, mode);
      assert.equal((await keptSecrets(secret, SELF)).isShared, isShared);
      const path = join(data, 'users.jsonl');
      await (await JsonFileUserStore.open(path)).close();
      await chmod(secret, 0o600);
      await chmod(path, mode | 0o200);
      const said = 'latchkey: data/users.jsonl can be read by other users: chmod 600 data/users.jsonl\n';
      assert.equal(await warningsOf(cwd), isShared ? said : '');
    });
  }

  it('users that another user can change are warned of, also where the environment has the secret', asRoot, async () => {
    const { cwd, data } = await dataWith(0o700, 0o600);
    const path = join(data, 'users.jsonl');
    await (await JsonFileUserStore.open(path)).close();
    await chown(path, NOBODY, NOBODY);
    const said = `latchkey: data/users.jsonl: ${path} belongs to another user (uid 65534), who could add users\n`;
    assert.equal(await warningsOf(cwd, { LATCHKEY_SECRET: SECRET }), said);
  });
});

describe('a secret that is made', { timeout: 60_000 }, () => {
  it('has the mode 600 whatever the umask', async () => {
    for (const umask of ['0377', '0000']) {
      const cwd = await emptyFolder();
      await mkdir(join(cwd, 'data'), { mode: 0o700 });
      const command = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', ...commandIn(ROOT)];
      const { child, ended } = await serve(`${FLAGS} --users memory`, { cwd, command });
      child.kill('SIGTERM');
      assert.equal((await ended).stderr, '');
      assert.equal((await stat(join(cwd, 'data/secret'))).mode & 0o777, 0o600);
    }
  });

  it('is on disk before it has its name, and its name before it is used', async (t) => {
    const probe = await open(join(ROOT, 'package.json'));
    const handles: typeof probe = Object.getPrototypeOf(probe);
    await probe.close();
    const data = await emptyFolder();
    const path = join(data, 'secret');
    const { sync } = handles;
    const seen: string[] = [];
    t.mock.method(handles, 'sync', async function (this: typeof probe) {
      const status = await this.stat();
      if (status.isDirectory()) {
        const isIts = status.ino === (await stat(data)).ino;
        if (isIts) seen.push(`folder, with a name: ${existsSync(path)}`);
      } else {
        seen.push(`file of ${status.size} bytes, mode ${(status.mode & 0o777).toString(8)}, named: ${existsSync(path)}`);
      }
      return sync.call(this);
    });
    const { text, isNew } = await keptSecrets(path, SELF);
    assert.deepEqual([isNew, text], [true, await readFile(path, 'utf8')]);
    assert.deepEqual(seen, ['file of 44 bytes, mode 600, named: false', 'folder, with a name: true']);
    assert.deepEqual(await readdir(data), ['secret']);
  });
});
