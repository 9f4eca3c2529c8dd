/** listen, and requests that end their connection. Real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Server as NodeServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { listen, Router, type HttpRequest } from '../../src/index.ts';
import { send, sendRaw, withServer } from '../support/app.ts';

test('listen checks its options, has its actual address, and rejects a port in use', async () => {
  const app = new Router();
  for (const port of [-1, 65_536, 1.5, NaN, '3000', null]) {
    await assert.rejects(listen(app, { port: port as number }), {
      message: /^"port" expected a whole number /,
    });
  }
  await assert.rejects(listen(app, { host: '' }), { message: /^"host" expected / });
  await assert.rejects(listen(app, { hots: 'x' } as never), { message: /^"hots" expected / });
  await assert.rejects(listen({ port: 0 } as never), {
    message:
      '"app" expected an application with the method handle, such as a Router, got an object',
  });
  await assert.rejects(listen(app, 4000 as never), {
    message: '"options" expected an object, such as { port: 4000 }, got 4000',
  });
  const first = await listen(app, { port: 0 });
  assert.equal(first.url, `http://127.0.0.1:${first.port}`);
  await assert.rejects(listen(app, { port: first.port }), { code: 'EADDRINUSE' });
  await first.close();
});

test('listen takes an IPv6 address with the brackets that it has in a URL', async (t) => {
  // Without a name in them, node:net would listen on all addresses.
  await assert.rejects(listen(new Router(), { host: '[]', port: 0 }), { syscall: 'getaddrinfo' });
  const own = Object.values(networkInterfaces()).flat();
  if (!own.some((each) => each?.address === '::1')) return t.skip('this system has no IPv6');
  for (const host of ['::1', '[::1]']) {
    const server = await listen(new Router(), { host, port: 0 });
    assert.equal(server.url, `http://[::1]:${server.port}`);
    await server.close();
  }
});

test('a connection that cannot be accepted does not end the process', async () => {
  const app = new Router().get('/', ({ message }) => {
    const { server } = message.socket as Socket & { server: NodeServer };
    // This is how node:net reports a failed accept. Without a listener, emit throws.
    for (let count = 0; count < 2; count += 1) server.emit('error', new Error('accept ENFILE'));
    return 'done';
  });
  await withServer(app, async ({ url }) => {
    assert.equal((await send(url, 'GET')).status, 200);
    assert.equal((await send(url, 'GET')).status, 200);
  });
});

test('a malformed body is refused before a handler that replies at once', async () => {
  const app = new Router().post('/', () => 'done');
  await withServer(app, async ({ port }) => {
    const head =
      'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    assert.match(await sendRaw(port, `${head}zz\r\n`), /^HTTP\/1\.1 400 /);
    assert.match(await sendRaw(port, `${head}1\r\na\r\n0\r\n\r\n`), /^HTTP\/1\.1 200 /);
  });
});

test(
  'requests behind an Upgrade are not acted upon, in the same packet or the next',
  { timeout: 30_000 },
  async () => {
    const asked: string[] = [];
    const post = async (request: HttpRequest) => {
      asked.push(String(await request.json()));
      return 'done';
    };
    await withServer(new Router().get('/', () => 'answer').post('/', post), async ({ port }) => {
      const upgrade = 'Connection: Upgrade\r\nUpgrade: foo\r\n';
      const type = 'Content-Type: application/json\r\n';
      const smuggled = `POST / HTTP/1.1\r\nHost: x\r\n${type}Content-Length: 10\r\n\r\n"smuggled"`;
      const head = `GET / HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n`;
      for (const first of [
        `GET / HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
        `POST / HTTP/1.1\r\nHost: x\r\n${upgrade}${type}Content-Length: 7\r\n\r\n"first"`,
      ]) {
        const socket = connect(port, '127.0.0.1')
          .setEncoding('latin1')
          .on('error', () => undefined);
        const closed = once(socket, 'close');
        let answers = '';
        socket.on('data', (text) => (answers += text));
        socket.setNoDelay().write(first + head);
        await delay(50);
        if (!socket.destroyed) socket.write(smuggled);
        await closed;
        assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, 1);
        assert.match(answers, /\r\nConnection: close\r\n/);
      }
      assert.deepEqual(asked, ['first']);
    });
  },
);
