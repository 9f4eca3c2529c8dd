/** HttpRequest: the number of proxies that it trusts, and clients without an address. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, IncomingMessage, request } from 'node:http';
import { connect, Socket, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Accounts, createApp, HttpRequest, MemoryUserStore } from '../../src/index.ts';
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

test('the address that a proxy forwards is no longer than an address, and has no zone', () => {
  const rows: readonly (readonly [hop: string, address: string])[] = [
    ['fe80::1', 'fe80::1'],
    ['fe80::1%eth0', 'fe80::1'],
    [`fe80::1%${'z'.repeat(12_000)}`, 'fe80::1'],
    ['[fe80::1%25eth0]:443', 'fe80::1'],
    ['192.0.2.1%eth0', '192.0.2.1'],
    ['::ffff:192.0.2.255', '::ffff:192.0.2.255'],
    ['%fe80::1', '127.0.0.1'],
    ['z'.repeat(12_000), '127.0.0.1'],
  ];
  const socket = { remoteAddress: '127.0.0.1' };
  for (const [hop, address] of rows) {
    const message = { socket, headers: { 'x-forwarded-for': hop } };
    assert.equal(new HttpRequest(message as unknown as IncomingMessage, 1).address, address);
  }
});

test('clients through a Unix socket have no limit by network, unless a proxy names them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-'));
  const socketPath = join(folder, 'socket');
  const statusesWith = async (trustProxy: number) => {
    const app = createApp({
      secret: SECRET,
      users: new MemoryUserStore(),
      passwords: cheapPasswords(),
      limits: { signupsPerAddress: 2, triesPerAddress: 2 },
      trustProxy,
    });
    const server = createServer(app.handle).listen(socketPath);
    const statuses: unknown[] = [];
    for (const path of ['/signup', '/auth']) {
      for (const username of ['joe', 'ann', 'sue']) {
        const headers = {
          'Content-Type': 'application/json',
          'Connection': 'close',
          'X-Forwarded-For': '192.0.2.1',
        };
        const posted = request({ socketPath, path, method: 'POST', headers });
        // No account of `/auth` exists, so each password is wrong.
        const name = path === '/signup' ? username : `not-${username}`;
        posted.end(JSON.stringify({ username: name, password: 'a password' }));
        const [response] = await once(posted, 'response');
        response.resume();
        statuses.push(response.statusCode);
      }
    }
    server.close();
    await once(server, 'close');
    return statuses;
  };
  try {
    assert.deepEqual(await statusesWith(0), [200, 200, 200, 401, 401, 401]);
    assert.deepEqual(await statusesWith(1), [200, 200, 429, 401, 401, 429]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('clients that reset their connection behind a request count as one network', async () => {
  const passwords = cheapPasswords();
  const limits = { signupsPerAddress: 2 };
  const accounts = new Accounts({ users: new MemoryUserStore(), passwords, limits });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const outcomes: unknown[] = [];
  for (const username of ['joe', 'ann', 'sue']) {
    const arrived = once(server, 'request');
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.resetAndDestroy();
    const [message] = await arrived;
    const client = new HttpRequest(message);
    const made = accounts.signup({ username, password: 'a password' }, client);
    outcomes.push([client.address, await made.then(() => 'made', ({ code }) => code)]);
  }
  server.close();
  assert.deepEqual(outcomes, [
    ['disconnected', 'made'],
    ['disconnected', 'made'],
    ['disconnected', 'ERR_THROTTLED'],
  ]);
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
