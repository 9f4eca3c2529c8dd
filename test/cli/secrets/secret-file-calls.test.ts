/** The first start where the file system lacks calls that it usually uses for the secret file. */
import assert from 'node:assert/strict';
import fsPromises, { readdir, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { processUser } from '../../../src/cli/stores/file-trust.ts';
import type { Log } from '../../../src/cli/log.ts';
import { readSecretFile, readSecrets } from '../../../src/cli/secrets/secret-file.ts';
import { openStores } from '../../../src/cli/stores/stores.ts';
import { LONG } from '../../support/long.ts';
import { without } from '../../support/missing-calls.ts';
import { assertRefused, emptyFolder, modeOf, run, serve, stop } from '../../support/run-command.ts';
import { systemError } from '../../support/system-errors.ts';
import { SECRET } from '../../support/tokens.ts';
import { handles } from '../../support/user-lines.ts';

const KIND = 'calls that a file system does not have:';
const FLAGS = 'serve --port 0 --data data --scrypt-cost 17';
const IN_MEMORY = `${FLAGS} --users memory`;

/** The codes that file systems and sandboxes answer to link(2). */
const NO_LINK = [
  'EPERM',
  'EACCES',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EXDEV',
  'EINVAL',
  'EISDIR',
];

/** The codes that file systems answer to fsync(2) of a file, and of a folder. */
const NO_FILE_SYNC = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];
const NO_FOLDER_SYNC = [...NO_FILE_SYNC, 'EPERM', 'EBADF'];
const NOT_SETTABLE = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'];

const UNSYNCED_FOLDER =
  /^\S*data\/users\.jsonl: its file system cannot sync a folder\. After a power cut .*$/;

const FILES = ['secret', 'sessions.jsonl', 'users.jsonl'];

/** Opens all files of a folder in this process, as a start of the server does. */
async function start(data: string) {
  const warnings: string[] = [];
  const log: Log = (_level, text) => warnings.push(text);
  const secrets = await readSecrets(join(data, 'secret'), log);
  const stores = await openStores({ users: 'file', hasSessions: true, data }, log);
  await stores.close();
  return { ...secrets, warnings };
}

/** Takes the sync of files or of folders away. */
function failSync(t: TestContext, code: string, failing: 'folders' | 'files'): void {
  const { sync } = handles;
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    const isFolder = (await this.stat()).isDirectory();
    if (isFolder === (failing === 'folders')) throw systemError(code, 'fsync');
    await sync.call(this);
  });
}

const refuse = (code: string, call: string) => async () => Promise.reject(systemError(code, call));

// Each code in this process. Below, the command itself meets one code of each kind.
describe('the files of a first start', () => {
  afterEach((t) => {
    (t as TestContext).mock.restoreAll();
    syncBuiltinESMExports();
  });

  for (const code of NO_LINK) {
    it(`${KIND} without hard links (${code}) a secret is made, and kept`, async (t) => {
      const data = join(await emptyFolder(), 'data');
      t.mock.method(fsPromises, 'link', refuse(code, 'link'));
      syncBuiltinESMExports();
      const [made, kept] = [await start(data), await start(data)];
      assert.match(made.summary, /data\/secret \(new, mode 0600\)$/);
      assert.match(kept.summary, /data\/secret$/);
      assert.match(made.texts.join(), /^[\w-]{43}$/);
      assert.deepEqual(kept.texts, made.texts);
      assert.deepEqual([...made.warnings, ...kept.warnings], []);
      assert.deepEqual((await readdir(data)).sort(), FILES);
      assert.equal(await modeOf(join(data, 'secret')), '600');
    });
  }

  for (const code of NO_FILE_SYNC) {
    it(`${KIND} a file that cannot be synced (${code}) leaves no secret`, async (t) => {
      const data = join(await emptyFolder(), 'data');
      failSync(t, code, 'files');
      const message = RegExp(`data/secret: .*${code}.* cannot sync a file.* LATCHKEY_SECRET`, 's');
      await assert.rejects(start(data), message);
      assert.deepEqual(await readdir(data), []);
    });
  }

  for (const code of NO_FOLDER_SYNC) {
    it(`${KIND} a folder that cannot be synced (${code}) causes one warning`, async (t) => {
      const data = join(await emptyFolder(), 'data');
      failSync(t, code, 'folders');
      const { warnings } = await start(data);
      assert.match(warnings.join('\n'), UNSYNCED_FOLDER);
      t.mock.restoreAll();
      assert.deepEqual((await start(data)).warnings, []);
    });
  }

  for (const code of NOT_SETTABLE) {
    it(`${KIND} modes, owners and times that cannot be set (${code}) do not matter`, async (t) => {
      const data = join(await emptyFolder(), 'data');
      for (const call of ['chmod', 'utimes', 'realpath'] as const) {
        t.mock.method(fsPromises, call, refuse(code, call));
      }
      for (const call of ['chmod', 'chown'] as const) {
        t.mock.method(handles, call, refuse(code, call));
      }
      syncBuiltinESMExports();
      for (const _ of ['new', 'old']) assert.deepEqual((await start(data)).warnings, []);
      assert.deepEqual((await readdir(data)).sort(), FILES);
      for (const name of FILES) assert.equal(await modeOf(join(data, name)), '600');
    });
  }
});

describe('a first start', { concurrency: 4, timeout: 240_000, ...LONG }, () => {
  it(`${KIND} without hard links it makes a secret, and keeps it`, async () => {
    const cwd = await emptyFolder();
    const where = without('link EPERM', { cwd });
    const secrets: string[] = [];
    for (const summary of [/data\/secret \(new, mode 0600\)\./, /data\/secret\./]) {
      const server = await serve(IN_MEMORY, where);
      assert.match(server.output.stdout, summary);
      assert.equal((await stop(server)).stderr, '');
      secrets.push(await readFile(join(cwd, 'data/secret'), 'utf8'));
    }
    assert.match(secrets[0] ?? '', /^[\w-]{43}\n$/);
    assert.equal(secrets[1], secrets[0]);
    assert.deepEqual(await readdir(join(cwd, 'data')), ['secret']);
    assert.equal(await modeOf(join(cwd, 'data/secret')), '600');
  });

  it(`${KIND} without hard links, of six starts at once one makes the secret`, async () => {
    const cwd = await emptyFolder();
    const where = without('link ENOTSUP, fastWrite', { cwd });
    const servers = await Promise.all(Array.from({ length: 6 }, () => serve(IN_MEMORY, where)));
    const isMaker = servers.map(({ output }) => output.stdout.includes('(new, mode 0600)'));
    assert.equal(isMaker.filter((isNew) => isNew).length, 1);
    const ends = await Promise.all(servers.map(stop));
    assert.deepEqual(ends.map(({ code, stderr }) => [code, stderr]), Array(6).fill([0, '']));
    assert.deepEqual(await readdir(join(cwd, 'data')), ['secret']);
  });

  for (const [what, text] of [
    ['of no bytes', ''],
    ['of a first part', `\0${SECRET.slice(1, 40)}`],
    ['without its first byte', `\0${SECRET.slice(1)}\n`],
  ] as const) {
    it(`${KIND} a secret ${what} is waited for, and not used`, async () => {
      const cwd = await emptyFolder();
      const path = join(cwd, 'secret');
      await writeFile(path, text, { mode: 0o600 });
      const refused = await run('serve --port 0 --data .', { cwd });
      assertRefused(refused, 1, [/secret is not complete/, /interrupted/, /delete it and start/]);
      assert.equal(await readFile(path, 'utf8'), text);
      const reading = readSecretFile(path, processUser());
      await delay(150);
      await writeFile(path, `${SECRET}\n`);
      assert.equal((await reading).text, `${SECRET}\n`);
    });
  }

  it(`${KIND} a file that cannot be synced is refused, and no secret is left`, async () => {
    const cwd = await emptyFolder();
    const refused = await run(IN_MEMORY, without('fileSync EINVAL', { cwd }));
    const words = [/EINVAL/, /data\/secret/, /cannot sync a file/, /LATCHKEY_SECRET/];
    assertRefused(refused, 1, words);
    assert.deepEqual(await readdir(join(cwd, 'data')), []);
    const env = { LATCHKEY_SECRET: SECRET };
    const users = await run(FLAGS, without('fileSync EINVAL', { cwd, env }));
    assertRefused(users, 1, [/users\.jsonl cannot be opened/, /cannot sync a file/, /another/]);
  });

  it(`${KIND} folders that cannot be synced cause one warning, with what may be lost`, async () => {
    const cwd = await emptyFolder();
    const where = without('folderSync EINVAL', { cwd });
    const { stderr } = await stop(await serve(FLAGS, where));
    assert.match(stderr, RegExp(`^latchkey: ${UNSYNCED_FOLDER.source.slice(1, -1)}\n$`));
    assert.equal((await stop(await serve(IN_MEMORY, where))).stderr, '');
    assert.equal((await stop(await serve(FLAGS, { cwd }))).stderr, '');
    const another = await emptyFolder();
    assertRefused(await run(FLAGS, without('folderSync EIO', { cwd: another })), 1, [/EIO/]);
  });

  it(`${KIND} modes, owners and times that cannot be set do not stop it`, async () => {
    const cwd = await emptyFolder();
    const calls = ['chmod', 'chown', 'utimes', 'realpath'].map((call) => `${call} EPERM`);
    const where = without(calls.join(', '), { cwd });
    for (const _ of ['new', 'old']) {
      const { stderr } = await stop(await serve(FLAGS, where));
      // A socket whose mode cannot be set may be open to others.
      assert.match(stderr, /^latchkey: "latchkey users" does not work while .*EPERM.*\n$/);
    }
    assert.deepEqual((await readdir(join(cwd, 'data'))).sort(), ['administration', ...FILES]);
    for (const call of ['chmod', 'chown', 'utimes']) {
      const other = await emptyFolder();
      const where = without(`${call} EIO`, { cwd: other, env: { LATCHKEY_SECRET: SECRET } });
      assertRefused(await run(FLAGS, where), 1, [/EIO/, /disk/]);
    }
  });
});
