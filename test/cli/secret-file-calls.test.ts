/** The first start where the file system lacks calls that it usually uses for the secret file. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { processUser } from '../../src/cli/file-trust.ts';
import { readSecretFile } from '../../src/cli/secret-file.ts';
import { without } from '../support/missing-calls.ts';
import { assertRefused, emptyFolder, modeOf, run, serve, stop } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

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

describe('a first start', { concurrency: 4, timeout: 240_000 }, () => {
  for (const code of NO_LINK) {
    it(`${KIND} without hard links (${code}) it makes a secret, and keeps it`, async () => {
      const cwd = await emptyFolder();
      const where = without(`link ${code}`, { cwd });
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
  }

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
    for (const code of ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']) {
      const cwd = await emptyFolder();
      const refused = await run(IN_MEMORY, without(`fileSync ${code}`, { cwd }));
      const words = [RegExp(code), /data\/secret/, /cannot sync a file/, /LATCHKEY_SECRET/];
      assertRefused(refused, 1, words);
      assert.deepEqual(await readdir(join(cwd, 'data')), []);
      const env = { LATCHKEY_SECRET: SECRET };
      const users = await run(FLAGS, without(`fileSync ${code}`, { cwd, env }));
      assertRefused(users, 1, [/users\.jsonl cannot be opened/, /cannot sync a file/, /another/]);
    }
  });

  it(`${KIND} folders that cannot be synced cause one warning, with what may be lost`, async () => {
    for (const code of ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EBADF']) {
      const cwd = await emptyFolder();
      const where = without(`folderSync ${code}`, { cwd });
      const lack = 'its file system cannot sync a folder: after a power cut';
      const warning = RegExp(`^latchkey: data/users\\.jsonl: ${lack} .*\n$`);
      assert.match((await stop(await serve(FLAGS, where))).stderr, warning);
      assert.equal((await stop(await serve(IN_MEMORY, where))).stderr, '');
      assert.equal((await stop(await serve(FLAGS, { cwd }))).stderr, '');
    }
    const cwd = await emptyFolder();
    assertRefused(await run(FLAGS, without('folderSync EIO', { cwd })), 1, [/EIO/]);
  });

  it(`${KIND} modes, owners and times that cannot be set do not stop it`, async () => {
    for (const code of ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']) {
      const cwd = await emptyFolder();
      const calls = ['chmod', 'chown', 'utimes', 'realpath'].map((call) => `${call} ${code}`);
      const where = without(calls.join(', '), { cwd });
      for (const _ of ['new', 'old']) {
        assert.equal((await stop(await serve(FLAGS, where))).stderr, '');
      }
      const names = ['secret', 'sessions.jsonl', 'users.jsonl'];
      assert.deepEqual((await readdir(join(cwd, 'data'))).sort(), names);
      for (const name of names) {
        assert.equal(await modeOf(join(cwd, 'data', name)), '600');
      }
    }
    for (const call of ['chmod', 'chown', 'utimes']) {
      const cwd = await emptyFolder();
      const env = { LATCHKEY_SECRET: SECRET };
      assertRefused(await run(FLAGS, without(`${call} EIO`, { cwd, env })), 1, [/EIO/, /disk/]);
    }
  });
});
