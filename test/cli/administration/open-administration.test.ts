/** How the command reaches the users: over the socket of a server, or in the files themselves. */
import assert from 'node:assert/strict';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { JsonFileSessionStore, JsonFileUserStore, Sessions } from '../../../src/index.ts';
import { CommandError } from '../../../src/cli/command-errors.ts';
import type { Log } from '../../../src/cli/log.ts';
import {
  openAdministration,
  type AdministrationAccess,
} from '../../../src/cli/administration/open-administration.ts';
import { SocketAdministration } from '../../../src/cli/administration/socket-administration.ts';
import { StoreAdministration } from '../../../src/cli/administration/store-administration.ts';
import { isAuthError } from '../../../src/errors.ts';
import { PASSWORD, werkzeugHash } from '../../support/accounts.ts';
import { dataFolder } from '../../support/administration.ts';
import { send } from '../../support/app.ts';
import { logLines, serve, stop } from '../../support/run-command.ts';
import { helloStatus, logIn, OWNER, refresh, signUpOwner } from '../../support/session-client.ts';
import { SECRET } from '../../support/tokens.ts';

const env = { LATCHKEY_SECRET: SECRET };

const JOE = {
  id: 'joe',
  username: 'Joe',
  passwordHash: werkzeugHash(PASSWORD),
  createdAt: '2020-01-02T03:04:05.000Z',
};

/** Opens the administration of a folder. @returns also the lines that this logs */
async function openIn(data: string, access: AdministrationAccess = 'create') {
  const warnings: string[] = [];
  const log: Log = (event, detail) => warnings.push(`${event}: ${detail}`);
  const administration = await openAdministration({ users: 'file', data, access }, log);
  return { administration, warnings };
}

describe('openAdministration', { timeout: 120_000, concurrency: 4 }, () => {
  it('asks the server that has the file open, so its next request sees the change', async () => {
    const data = await dataFolder();
    const server = await serve(`serve --port 0 --scrypt-cost 1 --log json --data ${data}`, { env });
    await signUpOwner(server.url);
    const pair = await logIn(server.url);
    assert.equal(await helloStatus(server.url, pair.access_token), 200);
    const { administration, warnings } = await openIn(data);
    assert.ok(administration instanceof SocketAdministration);
    await administration.setPassword('joe', 'another horse');
    assert.equal(await helloStatus(server.url, pair.access_token), 401);
    assert.equal((await refresh(server.url, pair.refresh_token)).status, 401);
    assert.equal((await send(`${server.url}/auth`, 'POST', OWNER)).status, 401);
    await logIn(server.url, { password: 'another horse' });
    await administration.close();
    const { code, stderr } = await stop(server);
    assert.equal(code, 0);
    assert.deepEqual(warnings, []);
    const actions = logLines(stderr).filter(({ event }) => event === 'administration');
    const [action, ...more] = actions.map(({ time: _, ...fields }) => fields);
    assert.deepEqual([action, more], [{
      event: 'administration',
      detail: 'administration: set-password joe',
      action: 'set-password',
      id: 'joe',
    }, []]);
    assert.deepEqual((await readdir(data)).sort(), ['sessions.jsonl', 'users.jsonl']);
  });

  it('obeys the settings of the server, or without a server the defaults', async () => {
    const data = await dataFolder();
    const flags = '--min-password-length 4 --common-passwords allow --sessions off';
    const server = await serve(`serve --port 0 --scrypt-cost 1 ${flags} --data ${data}`, { env });
    const { administration: running } = await openIn(data);
    assert.equal((await running.add('joe', 'pass')).id, 'joe');
    await assert.rejects(running.logoutPage(undefined), /No sessions are kept/);
    await running.close();
    await stop(server);
    const { administration } = await openIn(data);
    await assert.rejects(administration.add('jim', 'pass'), { code: 'ERR_PASSWORD_TOO_SHORT' });
    await administration.close();
  });

  it('opens the file, and ends the sessions in the file beside it', async () => {
    const data = await dataFolder();
    const [usersPath, sessionsPath] = [join(data, 'users.jsonl'), join(data, 'sessions.jsonl')];
    await using users = await JsonFileUserStore.open(usersPath);
    await users.insert(JOE);
    await users.close();
    const openSessions = () => JsonFileSessionStore.open(sessionsPath);
    const first = await openSessions();
    await new Sessions({ store: first }).start('joe', { isRefreshable: true });
    await first.close();
    const { administration, warnings } = await openIn(data, 'change');
    assert.ok(administration instanceof StoreAdministration);
    assert.equal((await administration.logoutPage(undefined)).count, 1);
    await administration.close();
    await using store = await openSessions();
    assert.deepEqual(await new Sessions({ store }).list('joe'), []);
    assert.deepEqual(warnings, []);
  });

  it('creates no session file, and a user file only to `create`', async () => {
    const data = join(await dataFolder(), 'data');
    const refused = openIn(data, 'change');
    await assert.rejects(refused, /users\.jsonl does not exist\. Name the folder of the server/);
    await assert.rejects(stat(data), { code: 'ENOENT' });
    const { administration, warnings } = await openIn(data);
    assert.equal(await administration.importUser(JOE), true);
    await administration.close();
    const path = join(data, 'users.jsonl');
    assert.deepEqual(warnings, [`warning: ${path} did not exist, and has been created`]);
    assert.deepEqual(await readdir(data), ['users.jsonl']);
  });

  it('waits for another command, and names a process that keeps the file', async () => {
    const data = await dataFolder();
    const path = join(data, 'users.jsonl');
    const holder = await JsonFileUserStore.open(path);
    await assert.rejects(openIn(data), (error: Error) => {
      assert.ok(error.message.includes(`${path} is in use by process ${process.pid}: `));
      const hint = 'If that is another "latchkey users" or a server that starts, run the command ' +
        'again. If it is a "latchkey serve" that listens, the folder of its socket, ';
      assert.ok(error.message.includes(hint), error.message);
      return true;
    });
    const opening = openIn(data);
    await holder.close();
    await (await opening).administration.close();
  });

  it('says what to do with a server that has the file, and does not answer', async () => {
    const deep = join(await dataFolder(), 'x'.repeat(80));
    const [gone, silent] = await Promise.all([dataFolder(), dataFolder()]);
    await mkdir(join(silent, 'administration'), { mode: 0o700 });
    const remedies = [
      [deep, /too long for its socket: restart the server in .*x with "--data \.", and .*\.$/],
      [gone, /the folder of its socket, .*administration, is gone: restart the server\.$/],
      [silent, /it does not answer at .*: restart it, and read the warnings of its start\.$/],
    ] as const;
    await Promise.all(remedies.map(async ([data, remedy]) => {
      const holder = await JsonFileUserStore.open(join(data, 'users.jsonl'));
      await assert.rejects(openIn(data), remedy);
      await holder.close();
      await (await openIn(data)).administration.close();
    }));
  });

  it('says what a folder needs, and gives each reason once', async () => {
    const data = await dataFolder();
    const file = join(data, 'file');
    await writeFile(file, '');
    const words = /file\/users\.jsonl does not exist\. Name the folder of the server with --data/;
    await assert.rejects(openIn(file, 'read'), words);
    await writeFile(join(data, 'users.jsonl'), 'no users\n');
    const refusal: unknown = await openIn(data).catch((error) => error);
    assert.ok(refusal instanceof CommandError && isAuthError(refusal.cause));
    assert.equal(refusal.message, refusal.cause.message);
  });

  it('opens the file of a server that was killed, and so does the next server', async () => {
    const data = await dataFolder();
    const start = () => serve(`serve --port 0 --scrypt-cost 1 --data ${data}`, { env });
    const killed = await start();
    await signUpOwner(killed.url);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const { administration } = await openIn(data);
    assert.ok(administration instanceof StoreAdministration);
    assert.equal((await administration.disable('joe'))?.id, 'joe');
    await administration.close();
    const next = await start();
    assert.equal((await send(`${next.url}/auth`, 'POST', OWNER)).status, 401);
    const { administration: running } = await openIn(data);
    assert.ok(running instanceof SocketAdministration);
    assert.equal((await running.enable('joe'))?.id, 'joe');
    await running.close();
    await logIn(next.url);
    assert.equal((await stop(next)).code, 0);
  });

  it('lets go of a file that it only reads, and has all users and removed names', async () => {
    const data = await dataFolder();
    const { administration: first } = await openIn(data);
    await first.importUser(JOE);
    await first.importRemovedName({ id: 'ann', removedAt: 1000 });
    await first.close();
    const { administration } = await openIn(data, 'read');
    await using server = await JsonFileUserStore.open(join(data, 'users.jsonl'));
    await server.insert({ ...JOE, id: 'later' });
    assert.deepEqual((await administration.list(undefined)).map(({ id }) => id), ['joe']);
    assert.deepEqual(await administration.exportUsers(undefined), [JOE]);
    const names = await administration.exportRemovedNames(undefined);
    assert.deepEqual(names, [{ id: 'ann', removedAt: 1000 }]);
    await assert.rejects(administration.disable('joe'), { code: 'ERR_STORE' });
    await administration.close();
  });
});
