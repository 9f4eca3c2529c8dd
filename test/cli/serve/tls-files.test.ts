/** HTTPS by --tls-cert and --tls-key, and the warning about plain HTTP. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import type { TlsOptions } from '../../../src/index.ts';
import { send } from '../../support/app.ts';
import { EARLY, EXPIRED, FIRST, SECOND } from '../../support/certificates.ts';
import { JOE } from '../../support/command-client.ts';
import {
  assertRefused,
  emptyFolder,
  logLines,
  run,
  serve,
  start,
  stop,
} from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const env = { LATCHKEY_SECRET: SECRET };

/** Sends JSON. @returns the answer, and the name in the certificate of its connection */
async function post(url: string, body: object, agent: Agent) {
  const request = httpsRequest(url, {
    method: 'POST',
    agent,
    headers: { 'Content-Type': 'application/json' },
    rejectUnauthorized: false,
  });
  request.end(JSON.stringify(body));
  const [response] = await once(request, 'response');
  // Read at once: a socket that is back in the agent no longer has its certificate.
  const certificate = (response.socket as TLSSocket).getPeerCertificate().subject.CN;
  return { status: Number(response.statusCode), body: await text(response), certificate };
}

describe('latchkey serve over TLS', { concurrency: 4, timeout: 120_000 }, () => {
  it('reloads the certificate at SIGHUP, or keeps it if the new one is bad', async () => {
    const cwd = await emptyFolder();
    const put = async ({ cert, key }: TlsOptions) => {
      await writeFile(join(cwd, 'cert.pem'), cert);
      await writeFile(join(cwd, 'key.pem'), key);
    };
    await put(FIRST);
    const tls = '--tls-cert cert.pem --tls-key key.pem --log json';
    const flags = `--port 0 --host 0.0.0.0 --users memory --scrypt-cost 1 ${tls}`;
    const server = await serve(`serve ${flags}`, { cwd, env });
    const { child, url, output } = server;
    const local = url.replace('0.0.0.0', '127.0.0.1');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const reload = async (word: RegExp) => {
      const before = output.stderr.length;
      child.kill('SIGHUP');
      while (!word.test(output.stderr.slice(before))) await delay(10);
    };
    assert.deepEqual(await post(`${local}/signup`, JOE, agent), {
      status: 200,
      body: '{"Status":"Success","result":"User created"}\n',
      certificate: 'latchkey-test-1',
    });
    const certificateOfNew = async () => {
      return (await post(`${local}/auth`, JOE, new Agent())).certificate;
    };
    await put({ ...FIRST, cert: SECOND.cert });
    await reload(/"error".*the old certificate stays in use: --tls-key: key\.pem: expected /);
    assert.equal(await certificateOfNew(), 'latchkey-test-1');
    await put(SECOND);
    await reload(/"tls".*the certificate was reloaded/);
    assert.equal(await certificateOfNew(), 'latchkey-test-2');
    const { certificate } = await post(`${local}/auth`, JOE, agent);
    assert.equal(certificate, 'latchkey-test-1', 'the connection from before');
    agent.destroy();
    const { code, stderr } = await stop(server);
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /plain HTTP/);
    const isRecent = ({ time }: Record<string, unknown>) => {
      return Math.abs(Date.parse(String(time)) - Date.now()) < 60_000;
    };
    assert.ok(logLines(stderr).every(isRecent));
  });

  it('a SIGHUP during the start: it reloads the certificate once the server listens', async () => {
    const cwd = await emptyFolder();
    await mkdir(join(cwd, 'data'));
    await writeFile(join(cwd, 'cert.pem'), EXPIRED.cert);
    await writeFile(join(cwd, 'key.pem'), EXPIRED.key);
    // The server waits for another process that seems to be writing the secret.
    await writeFile(join(cwd, 'data/secret'), `\0${SECRET.slice(1)}`, { mode: 0o600 });
    const flags = '--port 0 --users memory --data data --log json';
    const tls = '--tls-cert cert.pem --tls-key key.pem';
    const server = start(`serve ${flags} ${tls}`, { cwd });
    while (server.output.stderr === '') await delay(10);
    server.child.kill('SIGHUP');
    await delay(100);
    await writeFile(join(cwd, 'data/secret'), SECRET);
    while (!server.output.stderr.includes('the certificate was reloaded')) await delay(10);
    assert.equal((await stop(server)).code, 0);
  });

  const PATHS = '--tls-cert cert.pem --tls-key key.pem';
  const startWith = async (pair: Partial<TlsOptions>, paths = PATHS) => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'cert.pem'), pair.cert ?? FIRST.cert);
    await writeFile(join(cwd, 'key.pem'), pair.key ?? FIRST.key);
    execFileSync('mkfifo', [join(cwd, 'pipe')]);
    return run(`serve --port 0 --host 192.0.2.1 --users memory ${paths}`, { cwd, env });
  };

  it('errors that name the right culprit: an encrypted key, a swapped pair, DER', async () => {
    const passphrase = { cipher: 'aes-256-cbc', passphrase: 'marker' };
    const key = createPrivateKey(FIRST.key).export({ type: 'pkcs8', format: 'pem', ...passphrase });
    const encrypted = /--tls-key: key\.pem: expected .*, got an encrypted one .* decrypts it\)\n$/;
    assertRefused(await startWith({ key }), 1, [encrypted]);
    const swapped = await startWith({}, '--tls-cert key.pem --tls-key cert.pem');
    assertRefused(swapped, 1, [/--tls-cert: key\.pem: expected .* PEM, got a private key\n$/]);
    const der = await startWith({ cert: new X509Certificate(FIRST.cert).raw });
    assertRefused(der, 1, [/--tls-cert: cert\.pem: expected text in PEM, got DER or PKCS #12/]);
    // The pair itself is accepted: no machine has the address.
    assertRefused(await startWith({}), 1, [/cannot listen: EADDRNOTAVAIL/]);
  });

  it('errors that name the right culprit: a pipe, which could block the start', async () => {
    const ofCert = await startWith({}, '--tls-cert pipe --tls-key key.pem');
    assertRefused(ofCert, 1, [/--tls-cert: pipe is not a regular file\. Name a file in PEM/]);
    const ofKey = await startWith({}, '--tls-cert cert.pem --tls-key .');
    assertRefused(ofKey, 1, [/--tls-key: \. is not a regular file\. Name a file in PEM/]);
  });

  it('errors that name the right culprit: a certificate that is not valid now', async () => {
    const told = async (pair: TlsOptions) => (await startWith(pair)).stderr.split('\n')[0] ?? '';
    assert.match(await told(EXPIRED), /^latchkey: --tls-cert: cert\.pem expired on 2021-01-01T/);
    assert.match(await told(EARLY), /^latchkey: --tls-cert: cert\.pem is not valid before 2100-01/);
    assert.match(await told(FIRST), /^latchkey: cannot listen/);
  });

  /** How many warnings there are for an address. */
  const WARNINGS: Readonly<Record<string, number>> = {
    '0.0.0.0': 1,
    '127.0.0.1': 0,
    'localhost': 0,
    '127.8.8.8': 0,
  };
  it('warns once of plain HTTP, and not at all on a loopback address', async () => {
    await Promise.all(Object.entries(WARNINGS).map(async ([host, warnings]) => {
      const flags = `--port 0 --users memory --scrypt-cost 17 --host ${host}`;
      const server = await serve(`serve ${flags}`, { env });
      await send(`${server.url.replace('0.0.0.0', '127.0.0.1')}/hello`, 'GET');
      const { stderr } = await stop(server);
      const found = stderr.match(/^latchkey: plain HTTP .*--tls-cert.*\n/gm)?.length ?? 0;
      assert.equal(found, warnings, host);
      assert.equal(stderr.split('\n').length - 1, warnings, 'there is no other line');
    }));
  });
});
