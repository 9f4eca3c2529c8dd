/** Hosts and request targets. The rows of `malformed-requests` send them over sockets as well. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Router } from '../../src/index.ts';
import { hasValidAuthority, isHost, pathOf } from '../../src/http/target.ts';
import { sendRaw, withServer } from '../support/app.ts';

/** Pairs that differ in little: accepted, refused. RFC 3986 §3.2.2, RFC 9112 §3.2. */
const HOSTS: readonly (readonly [accepted: string, refused: string])[] = [
  ['', ' '],
  ['x', 'x/'],
  ['x,y', 'x, y'],
  ["!$&'()*+,;=", '"'],
  ['x.y_z~-', 'x.y_z~-\xff'],
  ['%41%ff', '%4'],
  ['x:', 'x::'],
  ['x:80', 'x:80a'],
  [':80', ':-80'],
  ['192.0.2.1', '[192.0.2.1]'],
  ['[::1]', '::1'],
  ['[::1]:80', '[::1]80'],
  ['[2001:DB8::192.0.2.1]', '[2001:DB8::192.0.2.256]'],
  ['[fe80::1]', '[fe80::1%25eth0]'],
  ['[v1f.x:y]', '[v1g.x:y]'],
  ['joe:80', 'joe:80@x'],
];

test('grammars as wide as their RFC: a host is what RFC 3986 calls a host', async () => {
  const router = new Router().get('/', () => 'hello');
  await withServer(router, async ({ port }) => {
    for (const [index, hosts] of HOSTS.entries()) {
      for (const [column, host] of hosts.entries()) {
        assert.equal(isHost(host), column === 0, host);
        // The server never sees the white space around a value.
        if (host.trim() !== host) continue;
        const head = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
        const answer = await sendRaw(port, Buffer.from(head, 'latin1'));
        const status = column === 0 ? 200 : 400;
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${index}: ${host}`);
      }
    }
  });
});

/** A target, and its path; none if the target must be refused. */
const TARGETS: readonly (readonly [target: string, path?: string])[] = [
  ['/hello', '/hello'],
  ['/hello?x', '/hello'],
  ['//x/hello', '//x/hello'],
  ['/http://x/hello', '/http://x/hello'],
  ['http://x/hello', '/hello'],
  ['HTTPS://X:443/hello?http://y/z', '/hello'],
  ['http://[::1]/hello', '/hello'],
  ['http://x,y/hello', '/hello'],
  // RFC 9110 §4.2.3: an empty path is "/".
  ['http://x', '/'],
  ['http://x?/hello', '/'],
  ['http://x/', '/'],
  // RFC 9110 §4.2.1 and §4.2.4.
  ['http:///hello'],
  ['http://'],
  ['http://?/hello'],
  ['http://:80/hello'],
  ['http://joe@x/hello'],
  ['http://joe:pass@x/hello'],
  ['http://@x/hello'],
  ['http://x:y/hello'],
  ['http://[::1/hello'],
  // Other forms are no path of a route.
  ['*', '*'],
  ['ftp://x/hello', 'ftp://x/hello'],
];

test('grammars as wide as their RFC: an absolute target needs a host, and no path', async (t) => {
  const router = new Router().get('/hello', ({ path }) => path).get('/', ({ path }) => path);
  const plain = createServer(router.handle).listen(0, '127.0.0.1');
  t.after(() => plain.close());
  await once(plain, 'listening');
  const { port: plainPort } = plain.address() as AddressInfo;
  await withServer(router, async ({ port }) => {
    for (const [target, path] of TARGETS) {
      assert.equal(hasValidAuthority(target), path !== undefined, target);
      const isRoute = path === '/hello' || path === '/';
      const head = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const answer = await sendRaw(port, head);
      const status = isRoute ? 200 : path === undefined ? 400 : 404;
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), target);
      if (isRoute) assert.ok(answer.endsWith(`\r\n\r\n"${path}"\n`), target);
      if (path !== undefined) assert.equal(pathOf(target), path);
      // A server of node:http refuses no target, and no route has one that is not valid.
      const plainAnswer = await sendRaw(plainPort, head);
      assert.match(plainAnswer, new RegExp(`^HTTP/1\\.1 ${isRoute ? 200 : 404} `), target);
    }
  });
});
