/** HTTPS: the renewal of a certificate, its header, and clients that do not speak TLS. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get } from 'node:https';
import { connect } from 'node:net';
import { describe, it, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import {
  createApp,
  listen,
  MemoryUserStore,
  Router,
  type Server,
  type TlsOptions,
} from '../../src/index.ts';
import { fromOtherRealm } from '../support/copies.ts';
import { FIRST, SECOND } from '../support/certificates.ts';
import { cheapPasswords, sendRaw, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

/** A key of another type than those of the certificates. */
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const RSA_KEY = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));

const foreignBytes = (text: string) =>
  fromOtherRealm<Uint8Array>(`new Uint8Array([${Buffer.from(text).join()}])`);

function withTls(tls: TlsOptions, use: (server: Server) => Promise<void>): Promise<void> {
  const app = createApp({
    secret: SECRET,
    users: new MemoryUserStore(),
    passwords: cheapPasswords(),
  });
  return withServer(app, use, { tls });
}

/** Requests /hello. @returns the status, the certificate's name and the client's port */
async function hello({ port }: Server, agent: Agent | false = false) {
  const request = get({
    host: '127.0.0.1',
    port,
    path: '/hello',
    agent,
    rejectUnauthorized: false,
  });
  const [response] = await once(request, 'response');
  const socket: TLSSocket = response.socket;
  const { subject } = socket.getPeerCertificate();
  const localPort = socket.localPort;
  response.resume();
  await once(response, 'end');
  return { status: response.statusCode, name: subject.CN, localPort };
}

describe('a server with the option tls', { concurrency: true }, () => {
  it('serves HTTPS, and drops no connection when its certificate is renewed', async () => {
    await withTls(FIRST, async (server) => {
      assert.equal(server.url, `https://127.0.0.1:${server.port}`);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const before = await hello(server, agent);
      assert.deepEqual([before.status, before.name], [401, 'latchkey-test-1']);
      const rows: readonly [wrong: object, error: RegExp][] = [
        [{ key: SECOND.key }, /^TypeError: "key" expected the private key of the certificate, /],
        [{ key: RSA_KEY }, /^TypeError: "key" expected the private key of the certificate, /],
        [{ key: '' }, /^TypeError: "key" expected text in PEM, /],
        [{ cert: 'no certificate' }, /^TypeError: "cert" expected text in PEM, /],
        [{ cert: '-----BEGIN CERTIFICATE-----' }, /^TypeError: "cert" expected .* cannot be read/],
        [{ ca: FIRST.cert }, /^TypeError: "ca" expected /],
      ];
      for (const [wrong, error] of rows) {
        assert.throws(() => server.renewTls({ ...FIRST, ...wrong }), error);
        assert.equal((await hello(server)).name, 'latchkey-test-1');
      }
      server.renewTls(SECOND);
      assert.deepEqual(await hello(server, agent), before, 'the open connection stays');
      assert.equal((await hello(server)).name, 'latchkey-test-2');
      agent.destroy();
    });
  });

  it('closes connections of plain HTTP, old TLS or nonsense, and serves others', async () => {
    await withTls(FIRST, async (server) => {
      for (const bytes of [
        'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n',
        '\x16\x03\x01\x00\x05hello',
        'nonsense\r\n\r\n',
      ]) {
        assert.doesNotMatch(await sendRaw(server.port, Buffer.from(bytes, 'latin1')), /HTTP/);
      }
      const options = { port: server.port, host: '127.0.0.1', rejectUnauthorized: false };
      const old = connectTls({ ...options, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' });
      await assert.rejects(once(old, 'secureConnect'));
      assert.equal((await hello(server)).status, 401);
    });
  });

  it('answers a malformed request with a 400', async () => {
    await withTls(FIRST, async ({ port }) => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      socket.write('garbage\r\n\r\n');
      socket.setEncoding('utf8');
      let answer = '';
      for await (const text of socket) answer += text;
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
    });
  });

  it('closes a connection that never begins the handshake', async () => {
    await withTls(FIRST, async ({ port }) => {
      const socket = connect(port, '127.0.0.1');
      const start = performance.now();
      await once(socket.resume(), 'close');
      assert.ok(performance.now() - start < 9_000);
    });
  });

  it('what another realm made: takes bytes of any realm as a certificate and its key', async () => {
    const { cert, key } = FIRST;
    const pairs = [
      { cert: Buffer.from(cert), key: new Uint8Array(Buffer.from(key)) },
      structuredClone({ cert: Buffer.from(cert), key: Buffer.from(key) }),
      { cert: foreignBytes(String(cert)), key: foreignBytes(String(key)) },
    ];
    for (const tls of pairs) {
      await withTls(tls as TlsOptions, async (server) => {
        assert.equal((await hello(server)).name, 'latchkey-test-1');
      });
    }
    const app = { handle: () => undefined };
    for (const wrong of [foreignBytes('no PEM'), new DataView(new ArrayBuffer(9)), [45, 45]]) {
      const tls = { ...FIRST, key: wrong } as TlsOptions;
      const refused = /^TypeError: "key" expected text in PEM, /;
      await assert.rejects(listen(app, { port: 0, tls }), refused);
    }
  });

  it('needs a certificate and its key, and a plain server cannot get them later', async () => {
    const app = { handle: () => undefined };
    for (const tls of [
      null,
      'x',
      {},
      { cert: FIRST.cert },
      { key: FIRST.key },
      { ...FIRST, cert: '' },
    ]) {
      await assert.rejects(
        listen(app, { port: 0, tls: tls as TlsOptions }),
        /"(options|cert|key)" expected /,
      );
    }
    for (const key of [SECOND.key, RSA_KEY]) {
      await assert.rejects(
        listen(app, { port: 0, tls: { ...FIRST, key } }),
        /"key" expected the private key of /,
      );
    }
    await assert.rejects(
      listen(app, { port: 0, tls: { ...FIRST, ca: FIRST.cert } as TlsOptions }),
      /"ca" expected /,
    );
    const plain = await listen(app, { port: 0 });
    assert.throws(() => plain.renewTls(FIRST), { name: 'TypeError', message: /^"tls" expected / });
    await plain.close();
  });
});

const LAST_GET = 'GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

test('replies over TLS have Strict-Transport-Security, and plain ones do not', async () => {
  const checkReplies = async (tls: TlsOptions | undefined) => {
    const check = async ({ port }: Server) => {
      for (const bytes of [LAST_GET, 'garbage\r\n\r\n']) {
        const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
        const socket = tls === undefined ? connect(options) : connectTls(options);
        socket.setEncoding('latin1').write(bytes);
        let answer = '';
        for await (const some of socket) answer += some;
        const lines = answer.match(/^Strict-Transport-Security: .*$/gm) ?? [];
        const expected = tls === undefined ? [] : ['Strict-Transport-Security: max-age=15552000'];
        assert.deepEqual(lines, expected, answer);
      }
    };
    await withServer(new Router(), check, tls && { tls });
  };
  await checkReplies(undefined);
  await checkReplies(FIRST);
});
