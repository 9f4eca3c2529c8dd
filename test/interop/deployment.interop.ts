/**
 * The deployment that src/cli/deployment.md describes: its configurations of nginx and Caddy, and
 * HTTPS as testssl.sh sees it. A test is skipped if its program is not installed.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
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

const skipUnless = (program: string) => {
  return spawnSync(program, ['-v']).error !== undefined && `${program} is not installed`;
};

/** Sends a request over TLS from an address of this machine. @returns the status and the body */
async function ask(
  port: number,
  path: string,
  from: string,
  body?: object,
  authorization = '',
): Promise<[status: number, body: unknown]> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path,
    localAddress: from,
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json', ...(authorization !== '' && { authorization }) },
    ca: FIRST.cert,
    agent: false,
  });
  sent.end(body && JSON.stringify(body));
  const [response] = await once(sent, 'response');
  return [response.statusCode, await json(response)];
}

/** Starts a proxy, and asserts that the tutorial runs behind it, with the addresses of clients. */
async function assertServesBehind(
  program: string,
  args: string[],
  port: number,
  cwd: string,
  prefixes: readonly string[] = [''],
) {
  const env = { ...process.env, HOME: cwd, XDG_CONFIG_HOME: cwd, XDG_DATA_HOME: cwd };
  const stderr = openSync(join(cwd, 'proxy.log'), 'w');
  const proxy = spawn(program, args, { stdio: ['ignore', 'inherit', stderr], env });
  try {
    const joe = { username: 'joe', password: 'correct horse' };
    const signUp = () => ask(port, '/signup', '127.0.0.1', joe);
    const isUp = async () => (await signUp().catch(() => [502]))[0] !== 502;
    for (let tries = 0; !(await isUp()); tries += 1) {
      const isOver = tries === 500 || proxy.exitCode !== null;
      if (isOver) assert.fail(await readFile(join(cwd, 'proxy.log'), 'utf8'));
      await delay(20);
    }
    const [, login] = await ask(port, '/auth', '127.0.0.1', joe);
    const authorization = `JWT ${Object(login).access_token}`;
    const greeting = { Status: 'Success', result: 'Hello joe' };
    const answer = await ask(port, '/hello', '127.0.0.1', undefined, authorization);
    assert.deepEqual(answer, [200, greeting]);
    for (const [index, prefix] of prefixes.entries()) {
      // One guess more than an address has without a delay, each for another user.
      const guess = (name: number) => {
        const body = { ...joe, username: `user${index}-${name}` };
        return ask(port, `${prefix}/auth`, `127.0.0.${2 + index}`, body);
      };
      const statuses = [];
      for (let name = 0; name < 21; name += 1) statuses.push((await guess(name))[0]);
      assert.deepEqual(statuses, [...Array(20).fill(401), 429]);
      assert.equal((await ask(port, `${prefix}/auth`, '127.0.0.1', joe))[0], 200);
    }
  } finally {
    proxy.kill();
    await once(proxy, 'exit');
    closeSync(stderr);
  }
}

const FLAGS = 'serve --port 0 --scrypt-cost 1 --trust-proxy 1 --keep-alive 75';

async function writeCertificate(cwd: string): Promise<void> {
  await writeFile(join(cwd, 'example.pem'), String(FIRST.cert));
  await writeFile(join(cwd, 'example.key'), String(FIRST.key));
}

const needsNginx = { skip: skipUnless('nginx') };

test('behind nginx the tutorial runs, and clients keep their addresses', needsNginx, async () => {
  const cwd = await emptyFolder();
  const server = await serve(FLAGS, { cwd });
  const port = await freePort();
  const [location = '', block = ''] = blocks('nginx');
  const site = block
    .replace(/\}\s*$/, `${location}}\n`)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replaceAll(':3000', `:${server.port}`)
    .replaceAll(/\/etc\/ssl\/\w+\/example\.org/g, join(cwd, 'example'));
  await mkdir(join(cwd, 'temp'));
  await writeCertificate(cwd);
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = kinds.map((kind) => `${kind}_temp_path ${cwd}/temp/${kind};`);
  const http = ['access_log off;', ...temporary, site].join('\n');
  const main = ['daemon off;', `pid ${cwd}/pid;`, 'events {}'];
  await writeFile(join(cwd, 'nginx.conf'), `${main.join('\n')}\nhttp {\n${http}\n}\n`);
  const args = ['-e', 'stderr', '-c', join(cwd, 'nginx.conf')];
  await assertServesBehind('nginx', args, port, cwd, ['', '/api']);
});

const needsCaddy = { skip: skipUnless('caddy') };

test('behind Caddy the tutorial runs, and clients keep their addresses', needsCaddy, async () => {
  const cwd = await emptyFolder();
  const server = await serve(FLAGS, { cwd });
  const port = await freePort();
  const [block = ''] = blocks('caddyfile');
  await writeCertificate(cwd);
  // Caddy would get a certificate for example.org from outside, and listen on port 80.
  const certificate = `tls ${cwd}/example.pem ${cwd}/example.key`;
  const site = block
    .replace('example.org {', `https://127.0.0.1:${port} {\n  ${certificate}`)
    .replace(':3000', `:${server.port}`);
  const path = join(cwd, 'Caddyfile');
  await writeFile(path, `{\n  admin off\n  auto_https disable_redirects\n}\n${site}`);
  await assertServesBehind('caddy', ['run', '--config', path], port, cwd);
});

/** Findings about a self-signed certificate for an address without a DNS entry. */
const OF_SELF_SIGNED: readonly string[] = [
  'cert_chain_of_trust',
  'cert_revocation',
  'DNS_CAArecord',
];
/** WARN is left out: it tells of a check that the client of testssl.sh could not make. */
const FAULTS: readonly string[] = ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'];
/** One finding of each part of a scan, which shows that the part has run. */
const LOOKED_AT = [
  'TLS1',
  'TLS1_2',
  'TLS1_3',
  'cipherlist_AVERAGE',
  'cipherlist_STRONG',
  'cipher_order',
  'HSTS_time',
  'heartbleed',
  'ROBOT',
  'secure_renego',
  'secure_client_renego',
  'SWEET32',
  'LUCKY13',
  'RC4',
];
const isInstalled = (program: string) => spawnSync(program, ['--help']).error === undefined;
/** Debian names the program testssl, its authors testssl.sh. */
const testssl = ['testssl', 'testssl.sh'].find(isInstalled) ?? '';
const isScanned = { skip: testssl === '' && 'testssl.sh is not installed', timeout: 240_000 };

const NEW_KEYS = {
  EC: 'ec -pkeyopt ec_paramgen_curve:prime256v1',
  RSA: 'rsa:2048',
};

for (const [kind, newKey] of Object.entries(NEW_KEYS)) {
  test(`testssl.sh finds only that the ${kind} certificate is self-signed`, isScanned, async () => {
    const cwd = await emptyFolder();
    const subject = '-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost';
    const files = '-keyout key.pem -out cert.pem';
    const make = `req -x509 -newkey ${newKey} -nodes -days 90 ${subject} ${files}`;
    assert.equal(spawnSync('openssl', make.split(' '), { cwd }).status, 0);
    const flags = '--port 0 --users memory --scrypt-cost 1 --tls-cert cert.pem --tls-key key.pem';
    const { child, port, ended } = await serve(`serve ${flags}`, { cwd, timeoutMs: 240_000 });
    // Protocols, suites, forward secrecy, order, certificate, headers and known attacks. Each suite
    // on its own would take far longer.
    const parts = '-p -s -f -P -S -h -U';
    const words = `--quiet --color 0 --warnings off --nodns min ${parts} --jsonfile found.json`;
    const args = [...words.split(' '), `https://127.0.0.1:${port}/hello`];
    const scan = spawn(testssl, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    const said = await text(scan.stdout);
    child.kill('SIGTERM');
    await ended;
    const report = await readFile(join(cwd, 'found.json'), 'utf8');
    const found: { id: string; severity: string }[] = JSON.parse(report);
    const faults = found.filter(({ id, severity }) => {
      return FAULTS.includes(severity) && !OF_SELF_SIGNED.includes(id);
    });
    assert.deepEqual(faults, [], said);
    const ids = new Set(found.map(({ id }) => id));
    assert.deepEqual(LOOKED_AT.filter((id) => !ids.has(id)), [], said);
  });
}
