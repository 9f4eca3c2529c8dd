/** `--socket` and `--keep-alive`: what they accept and exclude, and a server that has both. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { UsageError } from '../../../src/cli/command-errors.ts';
import { readServeConfig } from '../../../src/cli/serve/flags.ts';
import { emptyFolder, modeOf, serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';
import { getOver, leaveStaleSocket } from '../../support/unix-sockets.ts';

const LONGEST = `/${'x'.repeat(99)}`;

const REFUSED: readonly [flags: string, accepted: string, message: string][] = [
  [
    '--socket=/s --trust-proxy=1 --host=::1',
    '--socket=/s --trust-proxy=1',
    '--socket is used in place of --host: remove one of the two',
  ],
  [
    '--socket=/s --trust-proxy=1 --port=3000',
    '--socket=/s --trust-proxy=1',
    '--socket is used in place of --port: remove one of the two',
  ],
  [
    '--socket=/s',
    '--socket=/s --trust-proxy=1',
    '--socket needs --trust-proxy of at least 1: clients of a Unix socket have no address, ' +
      'so limits need X-Forwarded-For',
  ],
  [
    '--socket=/s --trust-proxy=0',
    '--socket=/s --trust-proxy=2',
    '--socket needs --trust-proxy of at least 1: clients of a Unix socket have no address, ' +
      'so limits need X-Forwarded-For',
  ],
  [
    `--trust-proxy=1 --socket=${LONGEST}x`,
    `--trust-proxy=1 --socket=${LONGEST}`,
    '--socket expected a path of at most 100 bytes, got 101 bytes',
  ],
  [
    '--trust-proxy=1 --socket=',
    '--trust-proxy=1 --socket=s',
    '--socket expected a path of at most 100 bytes, got ""',
  ],
  [
    '--keep-alive=0',
    '--keep-alive=1',
    '--keep-alive expected a whole number from 1 to 3600, got "0"',
  ],
  [
    '--keep-alive=3601',
    '--keep-alive=3600',
    '--keep-alive expected a whole number from 1 to 3600, got "3601"',
  ],
];
for (const [flags, accepted, message] of REFUSED) {
  test(`a usage error: serve ${flags}`, async () => {
    await readServeConfig(accepted.split(' '));
    await assert.rejects(readServeConfig(flags.split(' ')), (error) => {
      return error instanceof UsageError && error.message === message;
    });
  });
}

test('--socket ignores HOST and PORT of the environment, also wrong ones', async (t) => {
  t.after(() => {
    delete process.env['HOST'];
    delete process.env['PORT'];
  });
  Object.assign(process.env, { HOST: '[]', PORT: 'abc' });
  await assert.rejects(readServeConfig(['--port=0']), /environment variable HOST expected /);
  await assert.rejects(readServeConfig(['--host=::1']), /environment variable PORT expected /);
  const { socket, environment } = await readServeConfig(['--socket=/s', '--trust-proxy=1']);
  assert.equal(socket, '/s');
  assert.equal(environment.values['PORT'], 'abc', 'other readers see the whole environment');
});

test('the server replaces a stale socket, says how to reach it, and removes it', async () => {
  const cwd = await emptyFolder();
  const path = join(cwd, 'socket-1');
  await leaveStaleSocket(path);
  const flags = '--users memory --trust-proxy 1 --keep-alive 75 --page on';
  const env = { LATCHKEY_SECRET: SECRET, HOST: 'nowhere.invalid', PORT: 'abc' };
  const server = await serve(`serve ${flags} --socket ${path}`, { cwd, env });
  assert.equal(server.url, `http://unix:${path}`);
  assert.equal(await modeOf(path), '660');
  assert.match(await getOver(path, '/hello'), /Authorization Required/);
  const client = connect(path).setEncoding('latin1');
  client.write('GET /hello HTTP/1.1\r\nHost: x\r\n\r\n');
  const [reply] = await once(client, 'data');
  assert.match(reply, /\r\nKeep-Alive: timeout=75\r\n/);
  client.destroy();
  const { code, stderr } = await stop(server);
  assert.deepEqual([code, stderr, existsSync(path)], [0, '', false]);
  assert.doesNotMatch(server.output.stdout, /in a browser/);
});
