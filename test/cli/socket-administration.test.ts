/** The command's end of the socket, with servers that answer wrongly or not at all. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SocketAdministration } from '../../src/cli/socket-administration.ts';
import { CommandError } from '../../src/cli/command-errors.ts';
import { isAuthError } from '../../src/errors.ts';
import { PASSWORD } from '../support/accounts.ts';
import { dataFolder, overSocket } from '../support/administration.ts';

/** Runs a server on a socket, as long as `use` runs. */
async function withServer(
  listener: RequestListener,
  use: (administration: SocketAdministration, server: Server) => Promise<void>,
): Promise<void> {
  const path = join(await dataFolder(), 's');
  const server = createServer(listener).listen(path);
  await once(server, 'listening');
  const administration = new SocketAdministration(path);
  try {
    await use(administration, server);
  } finally {
    await administration.close();
    server.closeAllConnections();
    server.close();
  }
}

describe('the administration over a socket', () => {
  it('fails at an answer that it cannot read, such as one of another version', async () => {
    const answers = [
      '',
      '{',
      'null',
      '{}',
      '{"changes":1}',
      '{"changes":[{"id":"joe","sessions":"other"}]}',
      '{"users":{}}',
      '{"users":[{"id":"joe","username":"joe","createdAt":"","isDisabled":0}]}',
    ];
    for (const answer of answers) {
      await withServer((_request, response) => response.end(answer), async (administration) => {
        for (const job of [administration.list(undefined), administration.disable('joe')]) {
          const words = /the answer of the server cannot be read: use the version of the running/;
          await assert.rejects(job, words);
        }
      });
    }
    const user = { id: 'joe', username: 'joe', createdAt: '', isDisabled: false };
    const body = JSON.stringify({ changes: [{ id: 'joe', sessions: 'ended' }], users: [user] });
    await withServer((_request, response) => response.end(body), async (administration) => {
      assert.deepEqual(await administration.list(undefined), [user]);
      assert.deepEqual(await administration.disable('joe'), { id: 'joe', sessions: 'ended' });
    });
  });

  it('trusts no code and no status that latchkey does not have', async () => {
    for (const [status, code] of [[400, 'toString'], [400, undefined], [302, 'ERR_STORE']] as const) {
      const headers = code === undefined ? {} : { 'Error-Code': code };
      const listener: RequestListener = (_request, response) => {
        response.writeHead(status, headers).end('{}');
      };
      await withServer(listener, async (administration) => {
        await assert.rejects(administration.disable('joe'), /cannot be read/);
      });
    }
    const listener: RequestListener = (_request, response) => {
      response.writeHead(400, { 'Error-Code': 'ERR_STORE' }).end('{}');
    };
    await withServer(listener, async (administration) => {
      await assert.rejects(administration.disable('joe'), { code: 'ERR_STORE', status: 400 });
    });
  });

  it('says whether a change may have been made if the server stops', async () => {
    await withServer((request) => request.socket.destroy(), async (administration, server) => {
      const cut: unknown = await administration.add('joe', PASSWORD).catch((error) => error);
      assert.ok(cut instanceof CommandError && !isAuthError(cut));
      const doubt = /^the server at .*\/s has closed the connection \(.+\), and may have made the /;
      assert.match(cut.message, doubt);
      assert.ok(!cut.message.includes(PASSWORD));
      server.close();
      await once(server, 'close');
      const stopped = { message: /^the server at .*\/s has stopped: run the command again$/ };
      await assert.rejects(administration.add('joe', PASSWORD), stopped);
    });
  });

  it('sends requests one after the other over the same connection', async () => {
    const sockets = new Set<unknown>();
    const listener: RequestListener = (request, response) => {
      sockets.add(request.socket);
      response.end('{"changes":[]}');
    };
    await withServer(listener, async (administration) => {
      for (let count = 0; count < 5; count += 1) await administration.disable('joe');
      assert.equal(sockets.size, 1);
    });
  });

  it('has at most 16 connections', async () => {
    const { administration, users } = await overSocket();
    const names = Array.from({ length: 200 }, (_, index) => ({ id: `n${index}`, removedAt: 1 }));
    const kept = await Promise.all(names.map((name) => administration.importRemovedName(name)));
    assert.ok(kept.every(Boolean));
    assert.deepEqual(users.list(), []);
    const sockets = new Set<unknown>();
    const listener: RequestListener = (request, response) => {
      sockets.add(request.socket);
      setImmediate(() => response.end('{"changes":[]}'));
    };
    await withServer(listener, async (many) => {
      await Promise.all(names.map(({ id }) => many.disable(id)));
      assert.equal(sockets.size, 16);
    });
  });
});
