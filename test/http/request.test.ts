/** HttpRequest: the number of proxies that it trusts, and clients without an address. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, IncomingMessage, request } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createApp, HttpRequest, MemoryUserStore } from '../../src/index.ts';
import { cheapPasswords } from '../support/app.ts';
import { withGlobal } from '../support/copies.ts';
import { SECRET } from '../support/tokens.ts';

test('trustProxy is a whole number from 0 to 100', () => {
  const message = Object.create(null) as IncomingMessage;
  for (const proxies of [NaN, -1, 1.5, 101, Infinity]) {
    assert.throws(() => new HttpRequest(message, proxies), {
      name: 'RangeError',
      message: /^"trustProxy" expected /,
    });
  }
});

test('clients without an address, as through a Unix socket, share one rate limit', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-'));
  const socketPath = join(folder, 'socket');
  const app = createApp({
    secret: SECRET,
    users: new MemoryUserStore(),
    passwords: cheapPasswords(),
    limits: { signupsPerAddress: 2 },
  });
  const server = createServer(app.handle).listen(socketPath);
  try {
    const statuses: unknown[] = [];
    for (const username of ['joe', 'ann', 'sue']) {
      const headers = { 'Content-Type': 'application/json', 'Connection': 'close' };
      const posted = request({ socketPath, path: '/signup', method: 'POST', headers });
      posted.end(JSON.stringify({ username, password: 'a password' }));
      const [response] = await once(posted, 'response');
      response.resume();
      statuses.push(response.statusCode);
    }
    assert.deepEqual(statuses, [200, 200, 429]);
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test('what another realm made: an AbortSignal that Node does not know, such as that of jsdom', async () => {
  class OtherController {
    readonly signal = { aborted: false };
    abort(): void {
      this.signal.aborted = true;
    }
  }
  await withGlobal('AbortController', OtherController, async () => {
    const socket = new Socket();
    const { signal } = new HttpRequest(new IncomingMessage(socket));
    assert.equal(signal.aborted, false);
    socket.destroy();
    await once(socket, 'close');
    assert.equal(signal.aborted, true);
  });
});
