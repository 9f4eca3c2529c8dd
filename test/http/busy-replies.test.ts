/** The leaky bucket of 429 and 503 replies: its numbers, and its effect over sockets. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { BusyReplies } from '../../src/http/busy-replies.ts';
import { send, withApp } from '../support/app.ts';

const JOE = { username: 'joe', password: 'correct horse' };

test('200 busy replies go out at once, and any more wait 75 ms until the bucket has leaked', () => {
  const bucket = new BusyReplies();
  const burst = Array.from({ length: 202 }, (_, index) => {
    return bucket.add(index % 2 === 0 ? 429 : 503, 0);
  });
  assert.deepEqual(burst, [...Array<number>(200).fill(0), 75, 75]);
  // 100 replies leak in a second, so each one adds 10 ms, also one that has to wait.
  assert.deepEqual([bucket.add(429, 25), bucket.add(429, 45)], [75, 0]);
  // After a long pause the burst is 200 again, and not more.
  const later = Array.from({ length: 201 }, () => bucket.add(503, 3_600_000));
  assert.deepEqual([later.indexOf(75), later.length], [200, 201]);
});

test('at a steady 150 busy replies a second, each one waits once the bucket is full', () => {
  const bucket = new BusyReplies();
  const waits = Array.from({ length: 900 }, (_, index) => bucket.add(503, (index * 1000) / 150));
  const firstWait = waits.indexOf(75);
  // The bucket gains 50 replies a second, so it is full after about 4 seconds.
  assert.ok(firstWait > 580 && firstWait < 620, `${firstWait}`);
  assert.ok(waits.slice(620).every((wait) => wait === 75));
});

test('replies with any other status do not wait and do not count', () => {
  const bucket = new BusyReplies();
  for (const status of [200, 400, 401, 404, 413, 428, 430, 499, 500, 502, 504]) {
    for (let count = 0; count < 300; count += 1) assert.equal(bucket.add(status, 0), 0);
  }
  assert.equal(bucket.add(429, 0), 0);
});

test('a client that retries a 429 at once is answered after other clients', async () => {
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
    // The bucket leaks while it is filled, so a slow machine needs this many requests.
    await ask('many', login.repeat(1_500), 1_500);
    await Promise.all([ask('impatient', login, 1), ask('another', hello, 1)]);
    assert.deepEqual(order, ['many 429', 'another 401', 'impatient 429']);
  });
});
