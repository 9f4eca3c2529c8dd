/** Headers of a Reply on the wire. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, Reply, Router } from '../../src/index.ts';
import { sendRaw, withServer } from '../support/app.ts';

test('a Reply replaces default headers in any letter case, and cannot set the length', async () => {
  const app = new Router();
  app.get(
    '/problem',
    () => new Reply(400, {}, { 'content-type': 'application/problem+json', 'X-Own': ['a', 'b'] }),
  );
  for (const status of [204, 304]) app.get(`/${status}`, () => new Reply(status, null));
  app.get(
    '/longer',
    () => new Reply(200, {}, { 'content-length': '9', 'Transfer-Encoding': 'chunked' }),
  );
  const hinting = { 'X-Content-Length': '9', 'Content-Length-Of': '8' };
  app.get('/hints', () => new Reply(200, {}, hinting));
  app.get('/broken', () => new Reply(200, {}, { 'X-Own': 'a', 'X-Bad': 'a\r\nb' }));
  app.get('/broken-name', () => new Reply(200, {}, { 'X-Own': 'a', 'X Bad': 'b' }));
  await withServer(app, async ({ port }) => {
    const headOf = async (path: string) => {
      const answer = await sendRaw(
        port,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      return answer.split('\r\n\r\n');
    };
    const [head = ''] = await headOf('/problem');
    assert.deepEqual(head.match(/^content-type: .*$/gim), [
      'Content-Type: application/problem+json',
    ]);
    assert.deepEqual(head.match(/^x-own: .*$/gim), ['X-Own: a', 'X-Own: b']);
    // A Reply cannot set its length, and one that cannot be sent leaves no header behind.
    assert.match((await headOf('/longer')).join('\n'), /Content-Length: 3\r\n[^]*\n\{\}\n$/);
    for (const path of ['/broken', '/broken-name']) {
      assert.match(
        (await headOf(path))[0] ?? '',
        /^HTTP\/1\.1 500 Internal Server Error\r\n(?![^]*X-Own)/,
      );
    }
    // Other headers may have such names in them.
    const [hints = ''] = await headOf('/hints');
    assert.match(hints, /\r\nX-Content-Length: 9\r\nContent-Length-Of: 8\r\n/);
    for (const status of [204, 304]) {
      const [own = '', body] = await headOf(`/${status}`);
      assert.match(own, RegExp(`^HTTP/1\\.1 ${status} `));
      assert.doesNotMatch(own, /content-length/i);
      assert.equal(body, '');
    }
  });
});

test('a refusal ends the connection if a body is still arriving, and else does not', async () => {
  const refuse = () => {
    throw new AuthError('ERR_BAD_REQUEST');
  };
  const router = new Router().get('/', refuse).post('/', refuse);
  await withServer(router, async ({ port }) => {
    const get = 'GET / HTTP/1.1\r\nHost: x\r\n';
    const replies = await sendRaw(port, `${get}\r\n${get}Connection: close\r\n\r\n`);
    assert.equal(replies.match(/^HTTP\/1\.1 400 /gm)?.length, 2);
    const reply = await sendRaw(port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n');
    assert.match(reply, /^HTTP\/1\.1 400 [^]*\r\nConnection: close\r\n/);
  });
});
