/** The secrets of the server, and the file that it makes for one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import {
  lchown,
  mkdir,
  open,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { processUser } from '../../../src/cli/stores/file-trust.ts';
import { readSecretFile } from '../../../src/cli/secrets/secret-file.ts';
import { Jwt } from '../../../src/crypto/jwt.ts';
import { send } from '../../support/app.ts';
import { JOE, login, OTHER_SECRET, signup } from '../../support/command-client.ts';
import { command, emptyFolder, ROOT, serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

describe('the secrets of a server', { concurrency: 4, timeout: 120_000 }, () => {
  it('the first of several signs and all verify, in the file and in the variable', async () => {
    const cwd = await emptyFolder();
    const [before, after] = [SECRET, OTHER_SECRET].map((secret) => new Jwt({ secret }));
    const data = join(cwd, 'latchkey-data');
    await mkdir(data);
    await writeFile(join(data, 'secret'), `${OTHER_SECRET}\r\n${SECRET}\r\n`, { mode: 0o600 });
    for (const env of [{}, { LATCHKEY_SECRET: `${OTHER_SECRET}\n${SECRET}` }]) {
      const server = await serve('serve --port 0 --scrypt-cost 1 --throttle off', { cwd, env });
      const summary = /, 2 secrets in (LATCHKEY_|latchkey-data\/)secret \(the first signs\)\./i;
      assert.match(server.output.stdout, summary);
      await signup(server.url, JOE);
      after?.verify(await login(server.url, JOE));
      const token = before?.sign({ identity: 'joe' });
      const headers = { Authorization: `JWT ${token}` };
      const { status } = await send(`${server.url}/hello`, 'GET', undefined, headers);
      assert.equal(status, 200);
      await stop(server);
    }
  });
});

describe('a secret that the first start makes', { timeout: 60_000 }, () => {
  it('has the mode 600, whatever the umask is', async () => {
    await Promise.all(['0377', '0000'].map(async (umask) => {
      const cwd = await emptyFolder();
      await mkdir(join(cwd, 'data'), { mode: 0o700 });
      const underUmask = ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh', ...command()];
      const flags = 'serve --port 0 --data data --scrypt-cost 17 --users memory';
      const server = await serve(flags, { cwd, command: underUmask });
      assert.equal((await stop(server)).stderr, '');
      assert.equal((await stat(join(cwd, 'data/secret'))).mode & 0o777, 0o600);
    }));
  });

  it('is on disk before it gets its name, and the name is on disk before it is used', async (t) => {
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
        const isDataFolder = status.ino === (await stat(data)).ino;
        if (isDataFolder) seen.push(`folder, with a name: ${existsSync(path)}`);
      } else {
        const mode = (status.mode & 0o777).toString(8);
        seen.push(`file of ${status.size} bytes, mode ${mode}, named: ${existsSync(path)}`);
      }
      return sync.call(this);
    });
    const { text, isNew } = await readSecretFile(path, processUser());
    assert.deepEqual([isNew, text], [true, await readFile(path, 'utf8')]);
    const expected = ['file of 44 bytes, mode 600, named: false', 'folder, with a name: true'];
    assert.deepEqual(seen, expected);
    assert.deepEqual(await readdir(data), ['secret']);
  });

  const asRoot = {
    skip: process.geteuid?.() !== 0 && 'only root can give a link to another user',
  };
  it('is not made if another user owns a link on the way, and says so', asRoot, async () => {
    const cwd = await emptyFolder();
    await mkdir(join(cwd, 'folder'));
    for (const target of ['folder', 'missing']) {
      const link = join(cwd, `to-${target}`);
      await symlink(target, link);
      await lchown(link, 65_534, 65_534);
      const reading = readSecretFile(join(link, 'secret'), processUser());
      await assert.rejects(reading, RegExp(`${link} belongs to another user .*: chown and chmod`));
    }
    assert.deepEqual(await readdir(join(cwd, 'folder')), []);
  });
});
