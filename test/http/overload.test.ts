/**
 * More than can be done, over real sockets: who hangs up while it waits frees its place, who comes too often is told
 * so, and whoever else is there is served.
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
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${text.length}`;
  socket.write(`${head}\r\n\r\n${text}`);
  return socket;
}

/** Comes to an end, if only because the test is given up. */
async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) await nextTurn();
}

test('a client that hangs up while it waits for its turn frees the place, however it hangs up', async () => {
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
      // Its place is free; whoever has it is checked as usual.
      assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 401, how);
      assert.deepEqual(await Promise.all(passwords.outcomes), ['done', 'ERR_ABORTED', 'ERR_BUSY', 'done']);
      running.destroy();
    });
  }
});

test('logins by the hundred get 401, 429 or 503, and meanwhile who is inside is served', async () => {
  const passwords = new PasswordHasher({ logN: 15, maxConcurrent: 1, maxQueued: 1 });
  await withApp({ passwords, limits: { triesPerAddress: 3 } }, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const headers = { Authorization: `JWT ${(body as { access_token: string }).access_token}` };
    const login = (_: unknown, index: number) => send(`${url}/auth`, 'POST', { ...JOE, username: `user${index}` });
    const statuses: number[] = [];
    for (let wave = 0; wave < 2; wave += 1) {
      const flood = Promise.all(Array.from({ length: 100 }, login));
      assert.equal((await send(`${url}/hello`, 'GET', undefined, headers)).status, 200);
      statuses.push(...(await flood).map(({ status }) => status));
    }
    // Whether some find the queue full is a matter of time.
    assert.deepEqual(new Set(statuses.filter((status) => status !== 503)), new Set([401, 429]));
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 200, 'who was here before is let in');
  });
});

test('who asks again and again, although told to come later, is answered after everybody else', async () => {
  await withApp({ limits: { triesPerAddress: 1 }, now: () => 0 }, async ({ url, port }) => {
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 401);
    const order: string[] = [];
    const ask = (name: string, request: string, answers: number) => {
      const socket = connect(port, '127.0.0.1');
      let text = '';
      return new Promise<void>((resolve) => {
        socket.on('data', (some) => {
          text += String(some);
          if (text.split('HTTP/1.1 ').length <= answers || !text.endsWith('}\n')) return;
          order.push(`${name} ${text.slice(9, 12)}`);
          socket.destroy();
          resolve();
        });
        socket.write(request);
      });
    };
    const body = JSON.stringify(JOE);
    const type = `Content-Type: application/json\r\nContent-Length: ${body.length}`;
    const login = `POST /auth HTTP/1.1\r\nHost: x\r\n${type}\r\n\r\n${body}`;
    const hello = 'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n';
    // So many that a slow machine, which forgets a hundred a second meanwhile, still has too many.
    await ask('many', login.repeat(1_500), 1_500);
    await Promise.all([ask('impatient', login, 1), ask('another', hello, 1)]);
    assert.deepEqual(order, ['many 429', 'another 401', 'impatient 429']);
  });
});
