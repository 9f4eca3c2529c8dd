/** Why the server cannot listen: the setting that is wrong, its source, and a remedy that fits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import type { Source } from '../../../src/cli/arguments.ts';
import { listenProblem, type ListenPlace } from '../../../src/cli/serve/listen-errors.ts';
import { assertRefused, emptyFolder, run } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const KIND = 'errors that name the right culprit:';

const OF_FLAG: Source = { kind: 'flag', name: '--port' };
const HOST_OF_FLAG: Source = { kind: 'flag', name: '--host' };
const OF_FILE: Source = { kind: 'variable', name: 'PORT in .env' };
const OF_DEFAULT: Source = { kind: 'default', name: 'default of --port' };

const PLACE: ListenPlace = {
  host: 'example.org',
  port: 80,
  socket: undefined,
  hostSource: { kind: 'variable', name: 'environment variable HOST' },
  portSource: OF_FLAG,
};

const EXPLAINED: readonly [code: string, place: Partial<ListenPlace>, words: RegExp][] = [
  ['EADDRINUSE', { host: '::1' }, /on \[::1\]:80\. Stop it, or use another --port\.$/],
  ['EADDRINUSE', { portSource: OF_FILE }, /correct or remove PORT in \.env, or use --port/],
  ['EADDRINUSE', { portSource: OF_DEFAULT }, /use another --port/],
  ['EACCES', {}, /port 80, which is below 1024\. .*CAP_NET_BIND_SERVICE; .*use another --port/],
  ['EACCES', { port: 1023 }, /CAP_NET_BIND_SERVICE/],
  ['EACCES', { port: 1024 }, /does not allow port 1024: change its rules/],
  ['EADDRNOTAVAIL', {}, /is not one of this machine: .* HOST, or use --host 127\.0\.0\.1 \(/],
  ['EAFNOSUPPORT', { host: '::1' }, /does not support the address ::1, for example because IPv6/],
  ['EAFNOSUPPORT', {}, /does not support the address example\.org: correct or remove .* HOST/],
  ['EINVAL', { host: 'fe80::1' }, /: name the interface .*, as in fe80::1%eth0, or correct or /],
  ['EINVAL', {}, /the host name example\.org has no address/],
  ['ENOTFOUND', {}, /no address: correct or remove environment variable HOST, or use --host\.$/],
  ['ENOTFOUND', { hostSource: HOST_OF_FLAG }, /no address: use another --host\.$/],
  ['EAI_AGAIN', {}, /cannot be looked up now.*: try again, or .*HOST, or use --host with/],
];
for (const [code, place, words] of EXPLAINED) {
  test(`${KIND} ${code} with ${JSON.stringify(place)}`, () => {
    const error = Object.assign(new Error('text'), { code });
    const message = listenProblem(error, { ...PLACE, ...place });
    assert.ok(message.startsWith(`cannot listen: ${code}: `), message);
    assert.match(message, words);
    const isOfPort = ['EADDRINUSE', 'EACCES'].includes(code);
    assert.doesNotMatch(message, isOfPort ? /--host/ : /--port/, 'the other setting is right');
  });
}

const EXPLAINED_OF_SOCKET: readonly [code: string, words: RegExp][] = [
  ['EADDRINUSE', /another process listens on \/run\/l\/s\. Stop it, or use another --socket\.$/],
  ['ENOTSOCK', /\/run\/l\/s exists and is not a socket\. Move it away, or use another --socket\.$/],
  ['ENOENT', /the folder \/run\/l does not exist: create it, .*RuntimeDirectory= of a /],
  ['ENOTDIR', /\/run\/l is not a folder: use another --socket\.$/],
  ['EACCES', /this user may not create \/run\/l\/s: let it write the folder \/run\/l, or use /],
  ['EPERM', /the file system of \/run\/l refuses sockets, .*: use another --socket, such as /],
  ['ENOTSUP', /the file system of \/run\/l refuses sockets/],
  ['EROFS', /the file system of \/run\/l is read-only: use another --socket, such as /],
];
for (const [code, words] of EXPLAINED_OF_SOCKET) {
  test(`${KIND} ${code} of a Unix socket`, () => {
    const error = Object.assign(new Error('text'), { code });
    const message = listenProblem(error, { ...PLACE, socket: '/run/l/s' });
    assert.ok(message.startsWith(`cannot listen: ${code}: `), message);
    assert.match(message, words);
    assert.doesNotMatch(message, /--port|--host|example\.org/);
  });
}

test(`${KIND} a lack of file descriptors is not blamed on the host or the port`, () => {
  const error = Object.assign(new Error('listen EMFILE: too many open files'), { code: 'EMFILE' });
  assert.equal(listenProblem(error, PLACE), 'cannot listen: listen EMFILE: too many open files');
});

describe('latchkey serve', { concurrency: 4, timeout: 60_000 }, () => {
  const start = (flags: string, env: Record<string, string> = {}) => {
    return run(`serve --users memory ${flags}`, { env: { LATCHKEY_SECRET: SECRET, ...env } });
  };

  it(`${KIND} a HOST that the operator has not set for latchkey`, async () => {
    const ended = await start('--port 0', { HOST: 'x86_64-conda-linux-gnu.invalid' });
    // EAI_AGAIN on a machine without DNS.
    const problem = /cannot listen: (?:ENOTFOUND|EAI_AGAIN): the host name x86_64-conda-linux-gnu/;
    assertRefused(ended, 1, [problem, /remove environment variable HOST, or use --host/]);
    assert.doesNotMatch(ended.stderr, /--port/);
  });

  it(`${KIND} a path of --socket that holds another file`, async () => {
    const path = join(await emptyFolder(), 'other');
    await writeFile(path, '');
    const ended = await start(`--trust-proxy 1 --socket ${path}`);
    assertRefused(ended, 1, [RegExp(`ENOTSOCK: ${path} exists and is not a socket\\. Move it`)]);
  });

  it(`${KIND} a PORT that another process has`, async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const ended = await start('', { PORT: String(port) });
    other.close();
    const place = `127\\.0\\.0\\.1:${port}`;
    assertRefused(ended, 1, [RegExp(`${place}\\. Stop it, or correct or remove .* PORT, or use`)]);
    assert.doesNotMatch(ended.stderr, /--host/);
  });
});
