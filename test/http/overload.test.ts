/**
 * More work than the server can do, over real sockets: a client that disconnects frees its place,
 * a client over its limit is told so, and all others are served.
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PasswordHasher } from '../../src/index.ts';
import { send, withApp } from '../support/app.ts';
import { WatchedHasher } from '../support/doubles.ts';

const JOE = { username: 'joe', password: 'correct horse' };

function post(port: number, path: string, body: object): Socket {
  const text = JSON.stringify(body);
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  const type = `Content-Type: application/json\r\nContent-Length: ${text.length}`;
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\n${type}\r\n\r\n${text}`);
  return socket;
}

/** Waits for a condition. The test runner's time-out bounds it. */
async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) await nextTurn();
}

test('a client that disconnects in any way while it waits frees its place', async () => {
  const rows: readonly [how: string, path: string, hangUp: (socket: Socket) => void][] = [
    ['with a reset', '/auth', (socket) => socket.resetAndDestroy()],
    ['with an end', '/auth', (socket) => socket.end()],
    ['at once', '/signup', (socket) => socket.destroy()],
  ];
  for (const [how, path, hangUp] of rows) {
    // One run of scrypt takes long enough for all that happens below.
    const passwords = new WatchedHasher({ logN: 17, maxConcurrent: 1, maxQueued: 1 });
    await withApp({ passwords }, async ({ url, port }) => {
      const running = post(port, '/auth', JOE);
      await until(() => passwords.outcomes.length === 1);
      const waiting = post(port, path, JOE);
      await until(() => passwords.outcomes.length === 2);
      const refused = await send(`${url}/auth`, 'POST', JOE);
      assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5'], how);
      hangUp(waiting);
      assert.equal(await passwords.outcomes[1], 'ERR_ABORTED', how);
      // Its place is free for the next login.
      assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 401, how);
      assert.deepEqual(await Promise.all(passwords.outcomes), [
        'done',
        'ERR_ABORTED',
        'ERR_BUSY',
        'done',
      ]);
      running.destroy();
    });
  }
});

test('a hundred logins get 401, 429 or 503, and meanwhile a valid token is served', async () => {
  const passwords = new PasswordHasher({ logN: 15, maxConcurrent: 1, maxQueued: 1 });
  await withApp({ passwords, limits: { triesPerAddress: 3 } }, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const headers = { Authorization: `JWT ${(body as { access_token: string }).access_token}` };
    const login = (_: unknown, index: number) =>
      send(`${url}/auth`, 'POST', { ...JOE, username: `user${index}` });
    const statuses: number[] = [];
    for (let wave = 0; wave < 2; wave += 1) {
      const flood = Promise.all(Array.from({ length: 100 }, login));
      assert.equal((await send(`${url}/hello`, 'GET', undefined, headers)).status, 200);
      statuses.push(...(await flood).map(({ status }) => status));
    }
    // Some may find the queue full, which depends on timing.
    assert.deepEqual(new Set(statuses.filter((status) => status !== 503)), new Set([401, 429]));
    assert.equal(
      (await send(`${url}/auth`, 'POST', JOE)).status,
      200,
      'a known network may log in',
    );
  });
});
