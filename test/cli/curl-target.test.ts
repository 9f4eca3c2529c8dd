/** The words for curl, in a real shell. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { curlTarget } from '../../src/cli/curl-target.ts';
import { listen, Router } from '../../src/index.ts';
import { FIRST } from '../support/certificates.ts';
import { emptyFolder } from '../support/run-command.ts';

const inShell = promisify(execFile);
const app = new Router().get('/here', () => 'done');

for (const name of ['plain-1.socket', 'with a space', `it's "$HOME" \\ ;`, 'Schlüssel']) {
  test(`curl reaches a Unix socket with the name ${name}`, async () => {
    const path = join(await emptyFolder(), name);
    const server = await listen(app, { path });
    const target = curlTarget(server.url, path);
    const { stdout } = await inShell('bash', ['-c', `curl -sS ${target}/here`]);
    await server.close();
    assert.equal(stdout, '"done"\n');
  });
}

test('a path without special characters is not quoted, and TLS has its scheme', async () => {
  assert.equal(curlTarget('http://unix:/run/a', '/run/a'), '--unix-socket /run/a http://localhost');
  assert.equal(curlTarget('http://127.0.0.1:3000', undefined), 'http://127.0.0.1:3000');
  const path = join(await emptyFolder(), 'socket');
  const server = await listen(app, { path, tls: FIRST });
  const target = curlTarget(server.url, path);
  const { stdout } = await inShell('bash', ['-c', `curl -sSk ${target}/here`]);
  await server.close();
  assert.equal(stdout, '"done"\n');
});
