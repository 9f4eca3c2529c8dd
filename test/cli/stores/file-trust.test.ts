/**
 * Other users who can read or change the secret and the user file: real files with owners and
 * modes. Only root can make a file of another user, so these tests are skipped for other users.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  lchown,
  mkdir,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { sharedWarning } from '../../../src/cli/stores/file-trust.ts';
import { FORGING, readSecretFile } from '../../../src/cli/secrets/secret-file.ts';
import { Jwt } from '../../../src/crypto/jwt.ts';
import { JsonFileUserStore } from '../../../src/index.ts';
import { JOE, login, signup } from '../../support/command-client.ts';
import { someOf } from '../../support/long.ts';
import { assertRefused, emptyFolder, run, serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const isRoot = process.geteuid?.() === 0;
const asRoot = { skip: !isRoot && 'only root can give a file to another user' };
/** Another user, and another group. */
const OTHER_ID = 65_534;
const uid = process.geteuid?.() ?? 0;
const gid = process.getegid?.() ?? 0;
const SELF = { uid, gids: [gid] };

/** The user and the group of each. */
interface Owners {
  readonly folder?: readonly number[];
  readonly file?: readonly number[];
}

/** Makes a folder `data` with a secret in it, with these modes and, if given, these owners. */
async function dataWith(folderMode: number, fileMode: number, owners: Owners = {}) {
  const cwd = await emptyFolder();
  const data = join(cwd, 'data');
  const secret = join(data, 'secret');
  await mkdir(data);
  await writeFile(secret, `${SECRET}\n`);
  await chmod(secret, fileMode);
  await chmod(data, folderMode);
  const ownersOf = [[data, owners.folder], [secret, owners.file]] as const;
  for (const [path, [owner, group] = []] of ownersOf) {
    if (owner !== undefined && group !== undefined) await chown(path, owner, group);
  }
  return { cwd, data, secret };
}

const FLAGS = 'serve --port 0 --data data --scrypt-cost 17';

/** Starts the server and stops it. @returns what it wrote to stderr */
async function warningsOf(
  cwd: string,
  env: Record<string, string> = {},
  flags = FLAGS,
): Promise<string> {
  const { code, stderr } = await stop(await serve(flags, { cwd, env }));
  assert.equal(code, 0);
  return stderr;
}

describe('a secret that another user can change', { concurrency: 4, timeout: 120_000 }, () => {
  const OTHER = [OTHER_ID, OTHER_ID];
  const SHARED = [0, OTHER_ID];
  interface Case {
    readonly folderMode: number;
    readonly fileMode: number;
    readonly owners?: Owners;
    readonly word: RegExp;
  }
  const REFUSED: Readonly<Record<string, Case>> = {
    'the file belongs to another user': {
      folderMode: 0o700,
      fileMode: 0o600,
      owners: { file: OTHER },
      word: /data\/secret belongs to another user \(uid 65534\)/,
    },
    'another group can write the file': {
      folderMode: 0o700,
      fileMode: 0o660,
      owners: { file: SHARED },
      word: /data\/secret can be written by its group/,
    },
    'every user can write the file': {
      folderMode: 0o700,
      fileMode: 0o606,
      word: /data\/secret can be written by every user/,
    },
  };
  const ACCEPTED: Readonly<Record<string, Case>> = {
    'the folder belongs to another user': {
      folderMode: 0o700,
      fileMode: 0o600,
      owners: { folder: OTHER },
      word: /data belongs to another user \(uid 65534\)\. Other users could .*: chown 0 \S+data$/,
    },
    'another group can write the folder': {
      folderMode: 0o775,
      fileMode: 0o600,
      owners: { folder: SHARED },
      word: /data can be written by its group .*\. Other users could .*: chmod g-w \S+data$/,
    },
    'every user can write the folder': {
      folderMode: 0o777,
      fileMode: 0o600,
      word: /data can be written by every user\. Other users could .*: chmod o-w \S+data$/,
    },
  };

  for (const [what, { folderMode, fileMode, owners, word }] of Object.entries(REFUSED)) {
    it(`is refused: ${what}`, owners === undefined ? {} : asRoot, async () => {
      const { cwd, data } = await dataWith(folderMode, fileMode, owners);
      assertRefused(await run(FLAGS, { cwd }), 1, [word, /LATCHKEY_SECRET/]);
      assert.deepEqual(await readdir(data), ['secret']);
      const variable = { LATCHKEY_SECRET: SECRET };
      assert.equal(await warningsOf(cwd, variable, `${FLAGS} --users memory`), '');
    });
  }

  for (const [what, { folderMode, fileMode, owners, word }] of someOf(Object.entries(ACCEPTED))) {
    it(`is accepted with a warning, as on container volumes: ${what}`, asRoot, async () => {
      const { cwd } = await dataWith(folderMode, fileMode, owners);
      const lines = (await warningsOf(cwd)).trimEnd().split('\n');
      assert.equal(lines.length, 2, 'one for the secret and one for the users');
      for (const line of lines) assert.match(line, word);
    });
  }

  it('is refused after another user of its folder has replaced it', asRoot, async () => {
    const { cwd, data, secret } = await dataWith(0o777, 0o600);
    assert.match(await warningsOf(cwd), /every user/);
    await rm(secret);
    await writeFile(secret, `${SECRET}\n`, { mode: 0o600 });
    await chown(secret, OTHER_ID, OTHER_ID);
    const words = [/data\/secret belongs to another user/, /LATCHKEY_SECRET/];
    assertRefused(await run(FLAGS, { cwd }), 1, words);
    assert.ok((await readdir(data)).includes('secret'));
  });

  it('is refused if it is the user file, whose first line is public', async () => {
    const { cwd, secret } = await dataWith(0o700, 0o600);
    await (await JsonFileUserStore.open(secret.replace('secret', 'users.jsonl'))).close();
    await rename(secret.replace('secret', 'users.jsonl'), secret);
    assertRefused(await run(FLAGS, { cwd }), 1, [/got a user file/]);
  });

  it('is refused if it is a pipe, which might never end, a folder, or very large', async () => {
    for (const [make, problem] of [
      [
        (path: string) => execFileSync('mkfifo', ['-m', '600', path]),
        /secret: expected a regular file, got a pipe\. Remove it, use another --data, or set LATCH/,
      ],
      [(path: string) => mkdir(path, { mode: 0o700 }), /file, got a folder\. Remove it, use/],
      [
        (path: string) => writeFile(path, 'x'.repeat(100_000), { mode: 0o600 }),
        /secret: expected at most 65536 bytes, got 100000\. Shorten it, use another --data, or/,
      ],
    ] as const) {
      const { secret } = await dataWith(0o700, 0o600);
      await rm(secret);
      await make(secret);
      await assert.rejects(readSecretFile(secret, SELF), problem);
    }
  });

  it('is made in a folder with the sticky bit, where only its owner can replace it', async () => {
    const cwd = await emptyFolder();
    await mkdir(join(cwd, 'data'));
    await chmod(join(cwd, 'data'), 0o1777);
    assert.equal(await warningsOf(cwd), '');
  });

  it('is followed through links, whose owners and folders count as well', asRoot, async () => {
    const accepted = await dataWith(0o700, 0o600);
    const link = join(await emptyFolder(), 'secret');
    await symlink(accepted.secret, link);
    assert.deepEqual((await readSecretFile(link, SELF)).warnings, []);
    // Another user's link, in a folder with the sticky bit, may lead to a file whose text that
    // user knows.
    const sticky = await emptyFolder();
    await chmod(sticky, 0o1777);
    const foreign = join(sticky, 'secret');
    await symlink(accepted.secret, foreign);
    await lchown(foreign, OTHER_ID, OTHER_ID);
    await assert.rejects(readSecretFile(foreign, SELF), /secret belongs to another user/);
    for (const fileMode of [0o602, 0o606]) {
      const { secret } = await dataWith(0o700, fileMode);
      const folder = await emptyFolder();
      await symlink(secret, join(folder, 'secret'));
      const problem = /can be written by every user/;
      await assert.rejects(readSecretFile(join(folder, 'secret'), SELF), problem);
      // A relative link to the folder.
      await symlink(`../${dirname(secret).split('/').slice(-2).join('/')}`, join(folder, 'data'));
      await assert.rejects(readSecretFile(join(folder, 'data/secret'), SELF), problem);
    }
    const circle = join(await emptyFolder(), 'secret');
    await symlink('secret', circle);
    await assert.rejects(readSecretFile(circle, SELF), /symbolic links/);
  });

  it('may belong to root or to the user of the process', asRoot, async () => {
    const { secret } = await dataWith(0o755, 0o644);
    assert.deepEqual((await readSecretFile(secret, { uid: 1000, gids: [1000] })).warnings, []);
    const own = await dataWith(0o755, 0o600, { folder: [1000, 1000], file: [1000, 1000] });
    assert.deepEqual((await readSecretFile(own.secret, { uid: 1000, gids: [1000] })).warnings, []);
    const foreign = readSecretFile(own.secret, { uid: 1001, gids: [1000] });
    const words = /belongs to another user \(uid 1000\)\. .*: run the server as the user who owns/;
    await assert.rejects(foreign, words);
    assert.deepEqual((await readSecretFile(own.secret)).warnings, [], 'on a system without users');
  });
});

describe('a secret and users that others can read', { concurrency: 4, timeout: 120_000 }, () => {
  it('are accepted with a warning on a volume that a group of this process can write', async () => {
    const { cwd, data, secret } = await dataWith(0o2770, 0o660);
    const stderr = await warningsOf(cwd, {}, `${FLAGS} --users memory`);
    const problem = `can be written by its group (gid ${gid})`;
    assert.deepEqual(stderr.split('\n'), [
      'latchkey: data/secret is accessible to other users: chmod 600 data/secret',
      `latchkey: data/secret: ${data} ${problem}. ${FORGING}: chmod g-w ${data}`,
      `latchkey: data/secret: ${secret} ${problem}. ${FORGING}: chmod g-w ${secret}`,
      '',
    ]);
  });

  it('are accepted with a warning below a folder of another user', asRoot, async () => {
    const { cwd, secret } = await dataWith(0o700, 0o600);
    await chown(cwd, OTHER_ID, OTHER_ID);
    const { warnings } = await readSecretFile(secret, SELF);
    const problem = `${cwd} belongs to another user (uid 65534)`;
    // Not the command alone: the folder may be the home of that user.
    const remedy = `use a folder that is not below it, or run chown 0 ${cwd}`;
    assert.deepEqual(warnings, [`${secret}: ${problem}. ${FORGING}: ${remedy}`]);
  });

  const MODES = [
    [0o600, false],
    [0o400, false],
    [0o640, true],
    [0o604, true],
    [0o644, true],
  ] as const;
  for (const [mode, isShared] of MODES) {
    const title = isShared ? 'cause a warning' : 'cause no warning';
    it(`${title} with mode ${mode.toString(8)}, of the secret or of the users`, async () => {
      const { cwd, data, secret } = await dataWith(0o700, mode);
      assert.equal((await readSecretFile(secret, SELF)).isShared, isShared);
      const path = join(data, 'users.jsonl');
      await (await JsonFileUserStore.open(path)).close();
      await chmod(secret, 0o600);
      await chmod(path, mode | 0o200);
      const name = 'data/users.jsonl';
      const warning = `latchkey: ${name} is accessible to other users: chmod 600 ${name}\n`;
      assert.equal(await warningsOf(cwd), isShared ? warning : '');
    });
  }

  it('cause a warning that keeps a file of root readable for the server', async () => {
    const { secret } = await dataWith(0o755, 0o644);
    const own = `${secret} is accessible to other users: chmod 600 ${secret}`;
    assert.equal(await sharedWarning(secret, ''), own);
    const service = { uid: uid + 1, gids: [] };
    const remedy = `chown ${uid + 1} ${secret} && chmod 600 ${secret}`;
    const warning = `${secret} is accessible to other users: ${remedy}`;
    assert.equal(await sharedWarning(secret, '', service), warning);
  });

  it('cause a warning if another user can change the users', asRoot, async () => {
    const { cwd, data } = await dataWith(0o700, 0o600);
    const path = join(data, 'users.jsonl');
    await (await JsonFileUserStore.open(path)).close();
    await chown(path, OTHER_ID, OTHER_ID);
    const problem = `${path} belongs to another user (uid 65534)`;
    const danger = 'Other users could add accounts';
    const warning = `latchkey: data/users.jsonl: ${problem}. ${danger}: chown 0 ${path}\n`;
    assert.equal(await warningsOf(cwd, { LATCHKEY_SECRET: SECRET }), warning);
  });

  it('cause a warning, and an empty line is not a secret', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secret'), `\n${SECRET}\n\n`);
    const server = await serve('serve --port 0 --scrypt-cost 1 --data .', { cwd });
    const [secretWarning, costWarning = '', ...others] = server.output.stderr.split('\n');
    assert.match(costWarning, /^latchkey: --scrypt-cost 1 /);
    const warning = 'latchkey: secret is accessible to other users: chmod 600 secret';
    assert.deepEqual([secretWarning, ...others], [warning, '']);
    await signup(server.url, JOE);
    new Jwt({ secret: SECRET }).verify(await login(server.url, JOE));
  });
});
