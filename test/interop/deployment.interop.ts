/**
 * The README's configuration of nginx before a real server, its unit as systemd reads it, and HTTPS as testssl.sh sees
 * it. Each is skipped where its program is not installed.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FIRST } from '../support/certificates.ts';
import { emptyFolder, serve } from '../support/run-command.ts';
import { blocks } from '../support/documents.ts';
import { freePort } from '../support/user-folder.ts';

const skipUnless = (program: string) => spawnSync(program, ['-v']).error !== undefined && `there is no ${program}`;

/** Sends a request over TLS from an address of this machine, and answers status and body. */
async function ask(
  port: number, path: string, from: string, body?: object, authorization = '',
): Promise<[status: number, body: unknown]> {
  const headers = { 'Content-Type': 'application/json', ...(authorization !== '' && { authorization }) };
  const options = { host: '127.0.0.1', port, path, localAddress: from, headers, ca: FIRST.cert, agent: false };
  const sent = request({ ...options, method: body === undefined ? 'GET' : 'POST' });
  sent.end(body && JSON.stringify(body));
  const [response] = await once(sent, 'response');
  return [response.statusCode, await json(response)];
}

const isSkipped = { skip: skipUnless('nginx') };

test('behind nginx the tutorial runs, and each client has an address of its own', isSkipped, async () => {
  const cwd = await emptyFolder();
  const server = await serve('serve --port 0 --scrypt-cost 1 --trust-proxy 1', { cwd });
  const port = await freePort();
  const [block = ''] = blocks('nginx');
  const site = block
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace(':3000', `:${server.port}`)
    .replaceAll(/\/etc\/ssl\/\w+\/example\.org/g, join(cwd, 'example'));
  await mkdir(join(cwd, 'temp'));
  await writeFile(join(cwd, 'example.pem'), String(FIRST.cert));
  await writeFile(join(cwd, 'example.key'), String(FIRST.key));
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = kinds.map((kind) => `${kind}_temp_path ${cwd}/temp/${kind};`);
  const http = ['access_log off;', ...temporary, site].join('\n');
  await writeFile(join(cwd, 'nginx.conf'), `daemon off;\npid ${cwd}/pid;\nevents {}\nhttp {\n${http}\n}\n`);
  const nginx = spawn('nginx', ['-e', 'stderr', '-c', join(cwd, 'nginx.conf')], { stdio: 'inherit' });
  try {
    const joe = { username: 'joe', password: 'correct horse' };
    const signUp = () => ask(port, '/signup', '127.0.0.1', joe);
    for (let tries = 0; (await signUp().catch(() => undefined)) === undefined; tries += 1) {
      assert.ok(tries < 500 && nginx.exitCode === null, 'nginx does not listen');
      await delay(20);
    }
    const [, login] = await ask(port, '/auth', '127.0.0.1', joe);
    const authorization = `JWT ${Object(login).access_token}`;
    const greeting = { Status: 'Success', result: 'Hello joe' };
    assert.deepEqual(await ask(port, '/hello', '127.0.0.1', undefined, authorization), [200, greeting]);
    // More wrong passwords than an address has free, of as many users.
    const guess = (name: number) => ask(port, '/auth', '127.0.0.2', { ...joe, username: `user${name}` });
    const statuses = [];
    for (let name = 0; name < 21; name += 1) statuses.push((await guess(name))[0]);
    assert.deepEqual(statuses, [...Array(20).fill(401), 429]);
    assert.equal((await ask(port, '/auth', '127.0.0.1', joe))[0], 200);
  } finally {
    nginx.kill();
    await once(nginx, 'exit');
  }
});

test('the unit has nothing that systemd does not know', { skip: skipUnless('systemd-analyze') }, async () => {
  const [unit = ''] = blocks('ini');
  const path = join(await emptyFolder(), 'latchkey.service');
  await writeFile(path, unit.replace('/usr/bin/node', process.execPath));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
});

/** What only a self-signed certificate of an address without a DNS entry causes. */
const OF_SELF_SIGNED: readonly string[] = ['cert_chain_of_trust', 'cert_revocation', 'DNS_CAArecord'];
/** Not WARN: its own client could not check something, such as a ticket of TLS 1.3 that it did not wait for. */
const FAULTS: readonly string[] = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'];
/** Of each part of what testssl.sh looks at, one finding: it has looked. */
const LOOKED_AT = [
  'TLS1', 'TLS1_2', 'TLS1_3', 'cipherlist_AVERAGE', 'cipherlist_STRONG', 'cipher_order', 'HSTS_time', 'heartbleed', 'ROBOT',
  'secure_renego', 'secure_client_renego', 'SWEET32', 'LUCKY13', 'RC4',
];
/** Debian names it testssl, its authors testssl.sh. */
const testssl = ['testssl', 'testssl.sh'].find((program) => spawnSync(program, ['--help']).error === undefined) ?? '';
const isScanned = { skip: testssl === '' && 'there is no testssl.sh', timeout: 240_000 };

for (const [kind, newKey] of Object.entries({ EC: 'ec -pkeyopt ec_paramgen_curve:prime256v1', RSA: 'rsa:2048' })) {
  test(`testssl.sh finds nothing but that the ${kind} certificate is self-signed`, isScanned, async () => {
    const cwd = await emptyFolder();
    const subject = '-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost';
    const make = `req -x509 -newkey ${newKey} -nodes -days 90 ${subject} -keyout key.pem -out cert.pem`;
    assert.equal(spawnSync('openssl', make.split(' '), { cwd }).status, 0);
    const flags = '--port 0 --users memory --scrypt-cost 1 --tls-cert cert.pem --tls-key key.pem';
    const { child, port, ended } = await serve(`serve ${flags}`, { cwd, timeoutMs: 240_000 });
    // Protocols, suites, forward secrecy, order, certificate, headers, and known attacks. Not each suite by itself.
    const parts = '-p -s -f -P -S -h -U';
    const words = `--quiet --color 0 --warnings off --nodns min ${parts} --jsonfile found.json`;
    const args = [...words.split(' '), `https://127.0.0.1:${port}/hello`];
    const scan = spawn(testssl, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    const said = await text(scan.stdout);
    child.kill('SIGTERM');
    await ended;
    const found: { id: string; severity: string }[] = JSON.parse(await readFile(join(cwd, 'found.json'), 'utf8'));
    const faults = found.filter(({ id, severity }) => FAULTS.includes(severity) && !OF_SELF_SIGNED.includes(id));
    assert.deepEqual(faults, [], said);
    const ids = new Set(found.map(({ id }) => id));
    assert.deepEqual(LOOKED_AT.filter((id) => !ids.has(id)), [], said);
  });
}
