/** Whose socket the command trusts, and where a server makes its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  chown,
  lchown,
  link,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { describe, it, test } from 'node:test';
import {
  addressOf,
  serverAddressIn,
  makeSocketFolder,
  removeSocketFolder,
  socketIn,
} from '../../../src/cli/administration/administration-folder.ts';
import { dataFolder } from '../../support/administration.ts';
import { modeOf } from '../../support/run-command.ts';

const isRoot = process.getuid?.() === 0;
const OTHER = 65_534;

/** A data folder with a user file and a server that listens as one of latchkey does. */
async function withServer(use: (data: string, server: Server) => Promise<void>): Promise<void> {
  const data = await dataFolder();
  await writeFile(join(data, 'users.jsonl'), '');
  await makeSocketFolder(socketIn(data));
  const server = createServer().listen(socketIn(data));
  await once(server, 'listening');
  try {
    await use(data, server);
  } finally {
    server.close();
  }
}

describe('the folder of the socket', () => {
  it('is for its owner alone, whatever mode and umask there were', async () => {
    const data = await dataFolder();
    const umask = process.umask(0o777);
    await makeSocketFolder(socketIn(data)).finally(() => process.umask(umask));
    const folder = dirname(socketIn(data));
    assert.equal(await modeOf(folder), '700');
    await chmod(folder, 0o755);
    await makeSocketFolder(socketIn(data));
    assert.equal(await modeOf(folder), '700');
    await removeSocketFolder(socketIn(data));
    assert.deepEqual(await readdir(data), []);
  });

  it('is not a file, nor a link to another folder', async () => {
    const data = await dataFolder();
    const folder = dirname(socketIn(data));
    await writeFile(folder, '');
    await assert.rejects(makeSocketFolder(socketIn(data)), /is a file or a link/);
    await rm(folder);
    const target = await dataFolder();
    await chmod(target, 0o755);
    await symlink(target, folder);
    await assert.rejects(makeSocketFolder(socketIn(data)), /is a file or a link/);
    assert.equal(await modeOf(target), '755');
  });

  it('is taken over with the socket of a suspended server, which still accepts', async () => {
    await withServer(async (data, suspended) => {
      await makeSocketFolder(socketIn(data));
      assert.deepEqual(await readdir(dirname(socketIn(data))), []);
      assert.ok(suspended.listening);
      await writeFile(socketIn(data), '');
      await makeSocketFolder(socketIn(data));
      assert.deepEqual(await readdir(dirname(socketIn(data))), ['socket'], 'any other file stays');
    });
  });

  it('is not one of another user', { skip: !isRoot }, async () => {
    const data = await dataFolder();
    const folder = dirname(socketIn(data));
    await mkdir(folder, 0o777);
    await chown(folder, OTHER, OTHER);
    const before = await modeOf(folder);
    await assert.rejects(makeSocketFolder(socketIn(data)), /belongs to another user \(uid 65534\)/);
    assert.equal(await modeOf(folder), before);
  });

  it('stays if something else is in it', async () => {
    const data = await dataFolder();
    await makeSocketFolder(socketIn(data));
    await writeFile(join(dirname(socketIn(data)), 'other'), '');
    await removeSocketFolder(socketIn(data));
    assert.deepEqual(await readdir(data), ['administration']);
  });
});

describe('the address of a socket', () => {
  it('has at most 100 bytes, from the root or from the working directory', () => {
    const longest = `/${'é'.repeat(49)}s`;
    assert.equal(addressOf(longest), longest);
    assert.equal(addressOf(`${longest}s`), undefined);
    const inside = join(process.cwd(), 'x'.repeat(98), 's');
    assert.equal(addressOf(inside), relative(process.cwd(), inside));
    assert.equal(addressOf(`${inside}${'x'.repeat(20)}`), undefined);
  });
});

describe('a socket of a server', () => {
  it('is one only while a process listens on it', async () => {
    const empty = await dataFolder();
    assert.equal(await serverAddressIn(empty), undefined);
    await withServer(async (data) => {
      assert.equal(await serverAddressIn(data), socketIn(data));
    });
    assert.equal(await serverAddressIn(join(empty, 'missing')), undefined);
  });

  it('is not a file or a stale socket at the same path', async () => {
    const data = await dataFolder();
    await makeSocketFolder(socketIn(data));
    await writeFile(socketIn(data), '');
    assert.equal(await serverAddressIn(data), undefined);
    await rm(socketIn(data));
    await withServer(async (other, server) => {
      // A second name of the inode keeps the socket file, which stays as after kill -9.
      const kept = join(dirname(socketIn(other)), 'kept');
      await link(socketIn(other), kept);
      server.close();
      await once(server, 'close');
      await rename(kept, socketIn(other));
      assert.ok((await stat(socketIn(other))).isSocket());
      assert.equal(await serverAddressIn(other), undefined);
    });
  });

  it('is refused if its folder is a link', async () => {
    await withServer(async (data) => {
      const other = await dataFolder();
      await writeFile(join(other, 'users.jsonl'), '');
      await symlink(dirname(socketIn(data)), dirname(socketIn(other)));
      await assert.rejects(serverAddressIn(other), /is not a folder/);
    });
  });

  it('is used only if it and its folder belong to this user', { skip: !isRoot }, async () => {
    await withServer(async (data) => {
      await chmod(data, 0o755);
      await chmod(dirname(data), 0o755);
      const folder = dirname(socketIn(data));
      const asOther = async (job: () => Promise<void>) => {
        process.seteuid?.(OTHER);
        await job().finally(() => process.seteuid?.(0));
      };
      const words =
        /administration is not used: it belongs to uid 0\. Run the command as this user/;
      await asOther(() => assert.rejects(serverAddressIn(data), words));
      for (const path of [data, folder, socketIn(data)]) await lchown(path, OTHER, OTHER);
      await asOther(async () => assert.equal(await serverAddressIn(data), socketIn(data)));
      for (const path of [folder, socketIn(data)]) {
        await lchown(path, 0, 0);
        // Here the owner of the data folder cannot help, nor can root, who becomes the owner.
        const remedy = /it belongs to uid 0\. .* belongs to uid 65534\. Give it .*\(chown -R\)/;
        await asOther(() => assert.rejects(serverAddressIn(data), remedy));
        await lchown(path, OTHER, OTHER);
      }
      await chmod(data, 0o700);
      await lchown(data, 0, 0);
      await asOther(() => assert.rejects(serverAddressIn(data), /EACCES.*as the owner of .*root/));
    });
  });

  it('is refused if its server is suspended, and has many connections waiting', async () => {
    const data = await dataFolder();
    await makeSocketFolder(socketIn(data));
    const suspend = "console.log(), process.kill(process.pid, 'SIGSTOP')";
    const program = `net.createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
      ${suspend};
    })`;
    const server = spawn(process.execPath, ['-e', program, socketIn(data)]);
    await once(server.stdout, 'data');
    const waiting = [connect(socketIn(data)), connect(socketIn(data))];
    await Promise.all(waiting.map((connection) => once(connection, 'connect')));
    const words = /accepts no more connections: it is busy or suspended\. Run the command again/;
    await assert.rejects(serverAddressIn(data), words).finally(() => server.kill('SIGKILL'));
    for (const connection of waiting) connection.destroy();
  });
});

test('a socket is refused if other users may enter its folder', async () => {
  await withServer(async (data) => {
    await chmod(dirname(socketIn(data)), 0o711);
    const words = /administration has the mode 0711, not 0700\. Restart the server\.$/;
    await assert.rejects(serverAddressIn(data), words);
    await chmod(dirname(socketIn(data)), 0o700);
    assert.equal(await serverAddressIn(data), socketIn(data));
  });
});
