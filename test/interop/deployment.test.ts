/**
 * The README's configuration of nginx before a real server, and its unit as systemd reads it. Both are skipped where
 * there is no such program.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FIRST } from '../certificates.ts';
import { emptyFolder, serve } from '../command.ts';
import { blocks, freePort } from '../readme-blocks.ts';

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
