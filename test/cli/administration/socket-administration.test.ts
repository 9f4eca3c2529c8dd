/** The command's end of the socket, with servers that answer wrongly or not at all. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Log } from '../../../src/cli/log.ts';
import {
  SocketAdministration,
  type WaitTimes,
} from '../../../src/cli/administration/socket-administration.ts';
import { CommandError } from '../../../src/cli/command-errors.ts';
import { AuthError, isAuthError } from '../../../src/errors.ts';
import { PASSWORD } from '../../support/accounts.ts';
import { dataFolder, overSocket } from '../../support/administration.ts';

/** Runs a server on a socket, as long as `use` runs. */
async function withServer(
  listener: RequestListener,
  use: (administration: SocketAdministration, server: Server) => Promise<void>,
  log?: Log,
  waitTimes?: WaitTimes,
): Promise<void> {
  const path = join(await dataFolder(), 's');
  const server = createServer(listener).listen(path);
  await once(server, 'listening');
  const administration = new SocketAdministration(path, log, waitTimes);
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
    for (const [status, code] of [
      [400, 'toString'],
      [400, undefined],
      [302, 'ERR_STORE'],
      [600, 'ERR_STORE'],
      [999, 'ERR_STORE'],
    ] as const) {
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

  it('escapes the texts of a refusal, and cuts off long ones', async () => {
    const title = '\u001b]0;title\u0007\u202e';
    const listener: RequestListener = (_request, response) => {
      response.writeHead(400, { 'Error-Code': 'ERR_USERNAME' });
      response.end(JSON.stringify({
        description: title,
        error: `${title}${'x'.repeat(10_000)}`,
        reason: `${title}\n`,
      }));
    };
    await withServer(listener, async (administration) => {
      const error: unknown = await administration.list(undefined).catch((reason) => reason);
      assert.ok(isAuthError(error) && error.cause instanceof Error);
      assert.equal(error.message, '\\u{1b}]0;title\\u{7}\\u{202e}');
      assert.equal(error.cause.message, `${error.message}\\u{a}`);
      assert.match(error.error, /^\\u\{1b\}.*x{900,1000}$/);
    });
  });

  it('takes the texts of the code for a refusal with empty ones', async () => {
    const listener: RequestListener = (_request, response) => {
      response.writeHead(503, { 'Error-Code': 'ERR_STORE' });
      response.end(JSON.stringify({ description: '', error: '', reason: '' }));
    };
    await withServer(listener, async (administration) => {
      const { error, message } = new AuthError('ERR_STORE');
      await assert.rejects(administration.list(undefined), { error, message });
    });
  });

  it('reads at most 64 MiB of an answer', async () => {
    let sentBytes = 0;
    const chunk = Buffer.alloc(2 ** 20, ' ');
    const listener: RequestListener = (_request, response) => {
      const endless = new Readable({
        read() {
          sentBytes += chunk.length;
          this.push(chunk);
        },
      });
      endless.pipe(response);
    };
    await withServer(listener, async (administration) => {
      await assert.rejects(administration.list(undefined), /cannot be read/);
      assert.ok(sentBytes > 64 * 2 ** 20 && sentBytes < 80 * 2 ** 20, String(sentBytes));
    });
  });

  it('refuses a page that does not continue after the one before, or is not sorted', async () => {
    const user = (id: string) => ({ id, username: id, createdAt: '', isDisabled: false });
    const answering = (body: object): RequestListener => (_request, response) => {
      response.end(JSON.stringify(body));
    };
    const pages = [['b'], ['a'], ['c', 'c'], ['d', 'c'], ['\u{10000}', '\u{ffff}']];
    for (const ids of pages) {
      await withServer(answering({ users: ids.map(user) }), async (administration) => {
        await assert.rejects(administration.list('b'), /cannot be read/, String(ids));
      });
    }
    const sorted = ['c', 'd', '\u{ffff}', '\u{10000}'].map(user);
    await withServer(answering({ users: sorted }), async (administration) => {
      assert.deepEqual(await administration.list('b'), sorted);
    });
    await withServer(answering({ count: 1, next: 'a' }), async (administration) => {
      await assert.rejects(administration.logoutPage('b'), /cannot be read/);
    });
  });

  it('says once that a server is slow, and tells a change from a list at the end', async () => {
    const logged: string[] = [];
    const log: Log = (event, detail) => logged.push(`${event}: ${detail}`);
    await withServer(() => undefined, async (administration) => {
      const [listed, changed] = await Promise.allSettled([
        administration.list(undefined),
        administration.disable('joe'),
      ]);
      assert.ok(listed.status === 'rejected' && changed.status === 'rejected');
      const late =
        /has not answered for 0\.2 seconds: run the command again\. If it hangs, restart/;
      assert.match(listed.reason.message, late);
      assert.match(changed.reason.message, /0\.2 seconds, and may have made the change: list the /);
    }, log, { explainMs: 20, maxMs: 200 });
    assert.equal(logged.length, 1);
    assert.match(
      logged[0] ?? '',
      /^warning: .* has not answered for 0\.02 seconds\. It is busy, or /,
    );
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
