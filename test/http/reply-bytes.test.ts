/** Replies whose body is bytes. Real sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reply, Router } from '../../src/index.ts';
import { fromOtherRealm } from '../support/copies.ts';
import { sendRaw, withServer } from '../support/app.ts';

/** @returns the header and the body, in latin1 */
async function ask(port: number, path: string, method = 'GET'): Promise<[string, string]> {
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const answer = await sendRaw(port, head);
  const end = answer.indexOf('\r\n\r\n');
  return [answer.slice(0, end), answer.slice(end + 4)];
}

/** All 256 bytes: they are not UTF-8, and hold line ends and NUL. */
const ALL = Uint8Array.from({ length: 256 }, (_, index) => index);
const ALL_TEXT = Buffer.from(ALL).toString('latin1');

test('the bytes of a Reply are sent as they are, with their length and type', async () => {
  const headers = { 'content-type': 'image/png' };
  const bodies: Record<string, readonly [body: Uint8Array, text: string]> = {
    '/bytes': [ALL, ALL_TEXT],
    '/buffer': [Buffer.from(ALL), ALL_TEXT],
    '/part': [Buffer.from('a hello b').subarray(2, 7), 'hello'],
    '/empty': [new Uint8Array(), ''],
    '/realm': [fromOtherRealm<Uint8Array>('new Uint8Array([104, 105])'), 'hi'],
    '/shared': [new Uint8Array(new SharedArrayBuffer(2)), '\0\0'],
  };
  const router = new Router();
  for (const [path, [body]] of Object.entries(bodies)) {
    router.get(path, () => new Reply(200, body, headers));
    router.get(`${path}/later`, async () => new Reply(404, body, headers));
    router.get(`${path}/204`, () => new Reply(204, body, headers));
  }
  await withServer(router, async ({ port }) => {
    for (const [path, [{ length }, text]] of Object.entries(bodies)) {
      for (const [suffix, status] of [['', 200], ['/later', 404]] as const) {
        const [head, body] = await ask(port, `${path}${suffix}`);
        assert.match(head, RegExp(`^HTTP/1\\.1 ${status} `));
        assert.deepEqual(head.match(/^content-(?:type|length): .*$/gim), [
          'Content-Type: image/png',
          `Content-Length: ${length}`,
        ]);
        assert.equal(body, text, path);
        const [sameHead, none] = await ask(port, `${path}${suffix}`, 'HEAD');
        assert.equal(sameHead.replace(/^Date: .*$/m, ''), head.replace(/^Date: .*$/m, ''));
        assert.equal(none, '');
      }
      const [head, body] = await ask(port, `${path}/204`);
      assert.match(head, /^HTTP\/1\.1 204 /);
      assert.doesNotMatch(head, /content-length|transfer-encoding/i);
      assert.equal(body, '');
    }
  });
});

test('bytes have a type of their own: octet-stream, also where a handler returns them', async () => {
  const router = new Router()
    .get('/reply', () => new Reply(200, ALL))
    .get('/alone', () => ALL)
    .get('/text', () => 'hi');
  await withServer(router, async ({ port }) => {
    for (const path of ['/reply', '/alone']) {
      const [head, body] = await ask(port, path);
      assert.match(head, /^Content-Type: application\/octet-stream$/m);
      assert.equal(body, ALL_TEXT);
    }
    const [head, body] = await ask(port, '/text');
    assert.match(head, /^Content-Type: application\/json$/m);
    assert.equal(body, '"hi"\n');
  });
});

test('bytes inside JSON, or in words, are JSON, and a body that is neither is a 500', async () => {
  const errors: unknown[] = [];
  const router = new Router({ onError: (error) => errors.push(error) })
    .get('/inside', () => new Reply(200, [Uint8Array.of(1)]))
    .get('/words', () => new Reply(200, Uint16Array.of(1)))
    .get('/function', () => new Reply(200, () => 1));
  await withServer(router, async ({ port }) => {
    assert.equal((await ask(port, '/inside'))[1], '[{"0":1}]\n');
    assert.equal((await ask(port, '/words'))[1], '{"0":1}\n');
    assert.match((await ask(port, '/function'))[0], /^HTTP\/1\.1 500 /);
  });
  const expected = '"body" expected a JSON value or a Uint8Array, got a function';
  assert.deepEqual(errors, [new TypeError(expected)]);
});
