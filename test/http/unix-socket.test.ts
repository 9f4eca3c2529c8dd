/** listen({ path }): which paths a server takes, and that it removes only its own socket. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { listen, Router, type ListenOptions } from '../../src/index.ts';
import { FIRST } from '../support/certificates.ts';
import { emptyFolder, modeOf } from '../support/run-command.ts';
import { getOver, leaveStaleSocket } from '../support/unix-sockets.ts';

const app = (name: string) => new Router().get('/', () => name);
const NO_APP = new Router();

async function socketIn(folder: string | Promise<string>): Promise<string> {
  return join(await folder, 'socket');
}

test('a server listens on a Unix socket of mode 0660, and removes it at close', async () => {
  const folder = await emptyFolder();
  const path = await socketIn(folder);
  const before = process.umask(0o077);
  const server = await listen(app('here'), { path });
  process.umask(before);
  assert.deepEqual([server.url, server.port], [`http://unix:${path}`, 0]);
  assert.equal(await modeOf(path), '660');
  assert.deepEqual(readdirSync(folder), ['socket']);
  assert.equal(await getOver(path, '/'), '"here"\n');
  await server.close();
  assert.deepEqual(readdirSync(folder), []);
});

test('over a Unix socket the address is that of X-Forwarded-For, or unknown', async () => {
  const path = await socketIn(emptyFolder());
  const router = new Router({ trustProxy: 1 }).get('/', ({ address }) => address);
  const server = await listen(router, { path });
  assert.equal(await getOver(path, '/'), '"unknown"\n');
  assert.equal(await getOver(path, '/', { 'X-Forwarded-For': '192.0.2.1' }), '"192.0.2.1"\n');
  await server.close();
});

test('TLS works over a Unix socket, for a proxy that is told to use it', async () => {
  const path = await socketIn(emptyFolder());
  const server = await listen(app('secret'), { path, tls: FIRST });
  assert.equal(server.url, `https://unix:${path}`);
  const host = '127.0.0.1';
  const sent = request({ socketPath: path, host, ca: String(FIRST.cert), agent: false }).end();
  const [response] = await once(sent, 'response');
  assert.equal(await text(response), '"secret"\n');
  await server.close();
});

const WRONG_PATHS: readonly [options: ListenOptions, words: RegExp][] = [
  [{ path: '' }, /^"path" expected a path of 1 to 100 bytes without NUL .*, got an empty string$/],
  [{ path: '\0abstract' }, /^"path" expected .* without NUL/],
  [{ path: `/${'x'.repeat(100)}` }, /^"path" expected .* \(the kernel limits the length\)/],
  [{ path: `/${'ü'.repeat(50)}` }, /^"path" expected a path of 1 to 100 bytes/],
  [{ path: 3000 as never }, /^"path" expected a path .*, got 3000$/],
  [{ path: '/nowhere/s', port: 0 }, /^"path" expected no option "port" beside it, got one$/],
  [{ path: '/nowhere/s', host: 'localhost' }, /^"path" expected no option "host" beside it/],
];
for (const [options, words] of WRONG_PATHS) {
  test(`listen refuses ${JSON.stringify(options)}`, async () => {
    await assert.rejects(listen(NO_APP, options), (error) => {
      return error instanceof TypeError && words.test(error.message);
    });
  });
}

test('a path of 100 bytes works, and is not cut off', async () => {
  const folder = await emptyFolder();
  const name = 'x'.repeat(100 - Buffer.byteLength(`${folder}/`));
  const server = await listen(app('long'), { path: join(folder, name) });
  assert.deepEqual(readdirSync(folder), [name]);
  assert.equal(await getOver(join(folder, name), '/'), '"long"\n');
  await server.close();
});

test('a stale socket is replaced', async () => {
  const path = await socketIn(emptyFolder());
  await leaveStaleSocket(path);
  await assert.rejects(getOver(path, '/'), { code: 'ECONNREFUSED' });
  const server = await listen(app('new'), { path });
  assert.equal(await getOver(path, '/'), '"new"\n');
  await server.close();
});

test('the path of a live server is refused, and that server stays in place', async () => {
  const folder = await emptyFolder();
  const path = await socketIn(folder);
  const first = await listen(app('first'), { path });
  await assert.rejects(listen(NO_APP, { path }), {
    code: 'EADDRINUSE',
    message: `listen EADDRINUSE: a server listens at the path ${path}`,
  });
  assert.equal(await getOver(path, '/'), '"first"\n');
  assert.deepEqual(readdirSync(folder), ['socket'], 'the draft is removed');
  await first.close();
});

test('a server too busy to accept is live, and is replaced once it is killed', async (t) => {
  const path = await socketIn(emptyFolder());
  // It never accepts a connection. The kernel puts them into its queue, which holds two.
  const program = `
    require('node:net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'ready');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = spawn(process.execPath, ['-e', program, path]);
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const waiting = [connect(path), connect(path)];
  await Promise.all(waiting.map((socket) => once(socket, 'connect')));
  await assert.rejects(listen(NO_APP, { path }), {
    code: 'EADDRINUSE',
    message: /a connection fails with EAGAIN, so a server may listen at the path/,
  });
  for (const socket of waiting) socket.destroy();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const server = await listen(app('new'), { path });
  assert.equal(await getOver(path, '/'), '"new"\n');
  await server.close();
});

const OTHER_FILES: Readonly<Record<string, (path: string) => unknown>> = {
  'a file': (path) => writeFileSync(path, 'content'),
  'an empty file': (path) => writeFileSync(path, ''),
  'a folder': (path) => mkdirSync(path),
  'a symbolic link to nothing': (path) => symlinkSync('nothing', path),
  'a symbolic link to a stale socket': async (path) => {
    await leaveStaleSocket(`${path}-stale`);
    symlinkSync(`${path}-stale`, path);
  },
};
for (const [what, make] of Object.entries(OTHER_FILES)) {
  test(`${what} at the path is refused and stays`, async () => {
    const folder = await emptyFolder();
    const path = await socketIn(folder);
    await make(path);
    const before = readdirSync(folder);
    await assert.rejects(listen(NO_APP, { path }), {
      code: 'ENOTSOCK',
      message: `listen ENOTSOCK: another file than a socket is at the path ${path}`,
    });
    assert.deepEqual(readdirSync(folder), before);
    if (what === 'a file') assert.equal(readFileSync(path, 'utf8'), 'content');
  });
}

test('a missing folder is ENOENT, and not a lack of permission', async () => {
  const folder = join(await emptyFolder(), 'missing');
  await assert.rejects(listen(NO_APP, { path: join(folder, 'socket') }), { code: 'ENOENT' });
  mkdirSync(folder);
  await (await listen(NO_APP, { path: join(folder, 'socket') })).close();
});

test('of servers that start at once over a stale socket, one gets the path', async () => {
  const folder = await emptyFolder();
  const path = await socketIn(folder);
  await leaveStaleSocket(path);
  const starts = Array.from({ length: 20 }, (_, index) => listen(app(`${index}`), { path }));
  const ended = await Promise.allSettled(starts);
  const started = ended.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
  const codes = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason.code] : []));
  assert.deepEqual([started.length, new Set(codes)], [1, new Set(['EADDRINUSE'])]);
  const winner = ended.findIndex(({ status }) => status === 'fulfilled');
  assert.equal(await getOver(path, '/'), `"${winner}"\n`);
  await started[0]?.close();
  assert.deepEqual(readdirSync(folder), []);
});

test('a server that stops leaves the socket of a later server in place', async () => {
  const path = await socketIn(emptyFolder());
  const first = await listen(app('first'), { path });
  unlinkSync(path);
  const second = await listen(app('second'), { path });
  await first.close();
  assert.equal(await getOver(path, '/'), '"second"\n');
  await second.close();
  assert.equal(existsSync(path), false);
});

test('a server that stops leaves a file that took the place of its socket', async () => {
  const path = await socketIn(emptyFolder());
  const server = await listen(NO_APP, { path });
  unlinkSync(path);
  writeFileSync(path, 'content');
  await server.close();
  assert.equal(readFileSync(path, 'utf8'), 'content');
});

test('the path is free as soon as the server stops accepting', async () => {
  const path = await socketIn(emptyFolder());
  let answer = (_text: string): void => undefined;
  const reply = new Promise<string>((resolve) => (answer = resolve));
  let begin = (): void => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const slow = new Router().get('/', () => {
    begin();
    return reply;
  });
  const old = await listen(slow, { path });
  const asked = getOver(path, '/');
  await begun;
  const closed = old.close();
  assert.equal(existsSync(path), false, 'at no moment can another server find it stale');
  const next = await listen(app('next'), { path });
  assert.equal(await getOver(path, '/'), '"next"\n');
  answer('old');
  assert.equal(await asked, '"old"\n');
  await closed;
  assert.equal(await getOver(path, '/'), '"next"\n', 'the old server removes nothing at its end');
  await next.close();
});

test('a relative path still means its socket after a change of the working folder', async () => {
  const folder = await emptyFolder();
  const before = process.cwd();
  process.chdir(folder);
  const server = await listen(app('relative'), { path: 'socket' });
  process.chdir(before);
  assert.equal(await getOver(join(folder, 'socket'), '/'), '"relative"\n');
  await server.close();
  assert.deepEqual(readdirSync(folder), []);
});

test('a draft that a killed process left keeps no server from starting', async () => {
  const folder = await emptyFolder();
  const path = await socketIn(folder);
  writeFileSync(`${path}.00`, '');
  for (let index = 1; index < 36 ** 2; index += 1) {
    linkSync(`${path}.00`, `${path}.${index.toString(36).padStart(2, '0')}`);
  }
  await assert.rejects(listen(NO_APP, { path }), { code: 'EADDRINUSE' });
  unlinkSync(`${path}.q7`);
  const server = await listen(app('here'), { path });
  assert.equal(await getOver(path, '/'), '"here"\n');
  await server.close();
  assert.equal(existsSync(`${path}.q7`), false);
});

test('a server closes although its socket cannot be removed', async () => {
  const folder = await emptyFolder();
  const server = await listen(NO_APP, { path: await socketIn(folder) });
  renameSync(folder, `${folder}.moved`);
  symlinkSync(folder, folder);
  await server.close();
});

test('a start that is refused closes its connection to the live server', async () => {
  const path = await socketIn(await emptyFolder());
  const live = createServer().listen(path);
  const connected = once(live, 'connection');
  await assert.rejects(listen(NO_APP, { path }), { code: 'EADDRINUSE' });
  const [socket] = await connected;
  await once(socket.resume(), 'close');
  live.close();
});
