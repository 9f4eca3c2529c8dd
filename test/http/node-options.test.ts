/**
 * NODE_OPTIONS and the configuration of OpenSSL weaken every plain server of Node. They do not
 * weaken latchkey. A plain server runs under the same settings, which shows that they take effect.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import { FIRST, RSA } from '../support/certificates.ts';
import { emptyFolder, serve, start } from '../support/run-command.ts';
import { lanesOf, tryRow } from '../support/raw-client.ts';
import { rawRequests } from '../support/malformed-requests.ts';
import { SECRET } from '../support/tokens.ts';
import { sendRaw, shakeHands } from '../support/app.ts';

const CLOSE = 'Host: x\r\nConnection: close\r\n';
const LONG_HEADER = `GET / HTTP/1.1\r\n${CLOSE}X: ${'x'.repeat(20_000)}\r\n\r\n`;
/** HTTP request smuggling: a proxy may read the length where a lenient parser reads the coding. */
const SMUGGLED = [
  `POST / HTTP/1.1\r\n${CLOSE}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  `POST / HTTP/1.1\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n`,
  `GET / HTTP/1.1\r\n${CLOSE}X: a\x01b\r\n\r\n`,
  'GET / HTTP/1.1\nHost: x\nConnection: close\n\n',
];
const WEAK_NODE = '--insecure-http-parser --max-http-header-size=65536 --no-warnings';
const WEAK_TLS = '--tls-min-v1.0 --tls-cipher-list=ALL:@SECLEVEL=0 --no-warnings';
const OPENSSL_CONF = `nodejs_conf = init
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = weak
[weak]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
Options = UnsafeLegacyRenegotiation,ClientRenegotiation
`;

/** A server of Node with default settings. It prints its port. */
const PLAIN = `
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
const read = () => ({ cert: readFileSync('cert.pem'), key: readFileSync('key.pem') });
const server = process.argv[2] === 'tls' ? createTlsServer(read()) : createServer();
server.on('request', (request, response) => response.end('done'));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;

async function withPlain<T>(
  cwd: string,
  kind: string,
  env: Record<string, string>,
  use: (port: number) => Promise<T>,
) {
  await writeFile(join(cwd, 'plain.mjs'), PLAIN);
  const { child, output, ended } = start(`plain.mjs ${kind}`, {
    cwd,
    env,
    command: [process.execPath],
  });
  while (!output.stdout.includes('\n')) {
    await Promise.race([
      once(child.stdout, 'data'),
      ended.then(({ stderr }) => assert.fail(stderr)),
    ]);
  }
  try {
    return await use(Number(output.stdout));
  } finally {
    child.kill();
    await ended;
  }
}

describe('a server in a hostile environment', { concurrency: true, timeout: 120_000 }, () => {
  it('refuses each malformed request although NODE_OPTIONS makes the parser lenient', async () => {
    const cwd = await emptyFolder();
    const env = { LATCHKEY_SECRET: SECRET, NODE_OPTIONS: WEAK_NODE };
    await withPlain(cwd, 'http', env, async (port) => {
      for (const bytes of [LONG_HEADER, ...SMUGGLED]) {
        assert.match(await sendRaw(port, bytes), /^HTTP\/1\.1 200 /);
      }
    });
    const flags = '--port 0 --users memory --scrypt-cost 1 --throttle off --min-password-length 4';
    const { child, port, ended } = await serve(`serve ${flags}`, { cwd, env });
    assert.match(await sendRaw(port, LONG_HEADER), /^HTTP\/1\.1 431 /);
    for (const bytes of SMUGGLED) assert.match(await sendRaw(port, bytes), /^HTTP\/1\.1 400 /);
    // Rows with a valid token are left out: they need its user, who does not exist here.
    const rows = rawRequests('no.token.here').filter(({ answers }) => !answers.includes(200));
    assert.ok(rows.length > 500);
    const tryLane = async (lane: typeof rows) => {
      for (const row of lane) await tryRow(port, row);
    };
    await Promise.all(lanesOf(rows).map(tryLane));
    child.kill('SIGTERM');
    await ended;
  });

  const WAYS: readonly [what: string, env: (cwd: string) => Record<string, string>][] = [
    ['NODE_OPTIONS', () => ({ NODE_OPTIONS: WEAK_TLS })],
    ['OPENSSL_CONF', (cwd) => ({ OPENSSL_CONF: join(cwd, 'openssl.cnf'), NODE_OPTIONS: WEAK_TLS })],
  ];
  for (const [what, envOf] of WAYS) {
    it(`offers no weak TLS under ${what}, at the start and after a renewal`, async () => {
      const cwd = await emptyFolder();
      const put = async ({ cert, key }: typeof RSA) => {
        await writeFile(join(cwd, 'cert.pem'), cert);
        await writeFile(join(cwd, 'key.pem'), key, { mode: 0o600 });
      };
      await put(RSA);
      await writeFile(join(cwd, 'openssl.cnf'), OPENSSL_CONF);
      const env = { LATCHKEY_SECRET: SECRET, ...envOf(cwd) };
      const weak: readonly ConnectionOptions[] = [
        { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
        { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' },
        { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:@SECLEVEL=0' },
        { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256:@SECLEVEL=0' },
        { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA:@SECLEVEL=0' },
      ];
      await withPlain(cwd, 'tls', env, async (port) => {
        for (const options of weak) assert.match(await shakeHands(port, options), /^TLSv1(\.\d)? /);
      });
      const flags =
        '--port 0 --users memory --scrypt-cost 1 --tls-cert cert.pem --tls-key key.pem --log json';
      const { child, port, output, ended } = await serve(`serve ${flags}`, { cwd, env });
      const check = async () => {
        for (const options of weak) {
          assert.match(await shakeHands(port, options), /^ERR_SSL_.*ALERT/);
        }
        assert.equal(await shakeHands(port, {}), 'TLSv1.3 TLS_AES_256_GCM_SHA384');
      };
      await check();
      // RSA comes last, because an EC certificate has no key transport to refuse.
      for (const other of [FIRST, RSA]) {
        await put(other);
        const already = output.stderr.length;
        child.kill('SIGHUP');
        while (!/"tls"/.test(output.stderr.slice(already))) await once(child.stderr, 'data');
      }
      await check();
      child.kill('SIGTERM');
      await ended;
    });
  }

  it('offers TLS 1.3 although NODE_OPTIONS has a lower maximum', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'cert.pem'), RSA.cert);
    await writeFile(join(cwd, 'key.pem'), RSA.key, { mode: 0o600 });
    const env = { LATCHKEY_SECRET: SECRET, NODE_OPTIONS: '--tls-max-v1.2' };
    const flags = '--port 0 --users memory --scrypt-cost 1 --tls-cert cert.pem --tls-key key.pem';
    const { child, port, ended } = await serve(`serve ${flags}`, { cwd, env });
    assert.match(await shakeHands(port, { minVersion: 'TLSv1.3' }), /^TLSv1\.3 /);
    child.kill('SIGTERM');
    await ended;
  });
});
