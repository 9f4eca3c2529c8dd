/** Reading a body: a second read, and clients that disconnect. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError, Router } from '../../src/index.ts';
import { send, withServer } from '../support/app.ts';

// 'end' does not come a second time.
test(
  'a second read of a body does not hang, but is a 500 and a report',
  { timeout: 10_000 },
  async () => {
    const reported: unknown[] = [];
    const router = new Router({ onError: (error) => reported.push(String(error)) });
    router.post('/twice', async (request) => [await request.json(), await request.json()]);
    await withServer(router, async ({ url }) => {
      assert.equal((await send(`${url}/twice`, 'POST', {})).status, 500);
      assert.match(
        reported.join(),
        /^TypeError: the body was read before latchkey got the request: let/,
      );
    });
  },
);

test(
  'a client that disconnects before its body is read leaves no handler waiting',
  { timeout: 10_000 },
  async () => {
    const router = new Router();
    await withServer(router, async ({ port }) => {
      const client = connect(port, '127.0.0.1');
      const head = [
        'POST /late HTTP/1.1',
        'Host: x',
        'Content-Type: application/json',
        'Content-Length: 9',
        '',
        '',
      ];
      const refusal = await new Promise((resolve) => {
        router.post('/late', async (request) => {
          client.destroy();
          await once(request.message.socket, 'close');
          resolve(await request.json().catch((error: unknown) => error));
        });
        client.write(`${head.join('\r\n')}{}`);
      });
      assert.deepEqual(refusal, new AuthError('ERR_ABORTED'));
    });
  },
);

test(
  'a client that disconnects while its body exceeds the limit is noticed at once',
  { timeout: 8_000 },
  async () => {
    const router = new Router().post('/', (request) => request.json());
    const outcome = new Promise<string>((resolve) => {
      router.get('/slow', async ({ signal }) => {
        await new Promise((abort) => signal.addEventListener('abort', abort));
        resolve('aborted');
      });
    });
    await withServer(router, async ({ port }) => {
      const client = connect(port, '127.0.0.1').on('error', () => undefined);
      const head = [
        'POST / HTTP/1.1',
        'Host: x',
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
        '',
        '',
      ];
      client.write(`GET /slow HTTP/1.1\r\nHost: x\r\n\r\n${head.join('\r\n')}`);
      for (let count = 0; count < 20; count += 1) {
        client.write(`2710\r\n${' '.repeat(10_000)}\r\n`);
        await delay(5);
      }
      client.resetAndDestroy();
      assert.equal(await outcome, 'aborted');
    });
  },
);

test('grammars as wide as their RFC: one byte order mark before JSON is ignored', async () => {
  const router = new Router().post('/', (request) => request.json());
  await withServer(router, async ({ url }) => {
    // RFC 8259 §8.1.
    const accepted: readonly [body: string, value: unknown][] = [
      ['{"a":1}', { a: 1 }],
      ['\ufeff{"a":1}', { a: 1 }],
      ['\ufeff \n{"a":1}', { a: 1 }],
      ['\ufeff"\ufeff"', '\ufeff'],
    ];
    for (const [body, value] of accepted) {
      const answer = await send(url, 'POST', body);
      assert.deepEqual([answer.status, answer.body], [200, value], JSON.stringify(body));
    }
    for (const body of ['\ufeff', '\ufeff\ufeff{"a":1}', ' \ufeff{"a":1}', '{"a":1}\ufeff']) {
      assert.equal((await send(url, 'POST', body)).status, 400, JSON.stringify(body));
    }
  });
});
