/** What `latchkey serve` prints when it listens: its address, and lines to paste into a shell. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { promisify } from 'node:util';
import { curlLines, curlTarget, startText } from '../../../src/cli/serve/serve-start.ts';
import { listen, Router } from '../../../src/index.ts';
import { send } from '../../support/app.ts';
import { FIRST } from '../../support/certificates.ts';
import {
  command,
  emptyFolder,
  logLines,
  run,
  serve,
  start,
  stop,
} from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const SERVE = 'serve --port 0 --users memory --scrypt-cost 1 --throttle off --log json';
const where = { env: { LATCHKEY_SECRET: SECRET } };

/** Those of Linux and macOS. The first two are on every system that runs these tests. */
const SHELLS = ['sh', 'bash', 'dash', 'zsh', 'busybox sh'].filter((shell) => {
  return spawnSync(shell, ['-c', 'true'], { shell: true }).status === 0;
});

/** Runs lines in a shell, whose two streams go through one pipe. Node's own pipes are sockets. */
async function outputOf(shell: string, lines: string): Promise<string> {
  const command = ['bash', '-c', `${shell} -c "$1" 2>&1 | cat`, 'bash', lines];
  return (await run('', { command })).stdout;
}

const linesFor = (url: string) => curlLines(url, 8);

describe('the start of latchkey serve', { concurrency: 3, timeout: 120_000 }, () => {
  it('prints one line, which names the URL of the page with --page on, and only then', async () => {
    const [on, byDefault] = await Promise.all([
      serve(`${SERVE} --page on`, where),
      serve(SERVE, where),
    ]);
    const places = 'users and sessions in memory (lost when the server stops)';
    const line = (url: string) => {
      return `latchkey listens on ${url}, ${places}, secret in LATCHKEY_SECRET.`;
    };
    assert.equal(on.output.stdout, `${line(on.url)} Open ${on.url}/ in a browser.\n`);
    assert.equal(byDefault.output.stdout, `${line(byDefault.url)}\n`);
    await Promise.all([stop(on), stop(byDefault)]);
  });

  it('prints lines of curl on a terminal, and only there', async () => {
    const onTerminal = (flags: string) => {
      // script(1) runs a command on a terminal of its own.
      const words = [...command(), SERVE, flags].join(' ');
      return start('', { ...where, command: ['script', '-qec', words, '/dev/null'] });
    };
    const invitations = {
      off: /^(\S+), users .*\. Try it:$/,
      on: /^(\S+), users .*\. Open \1\/ in a browser, or try it:$/,
    };
    for (const [page, invitation] of Object.entries(invitations)) {
      const { child, output, ended } = onTerminal(`--page ${page} --min-password-length 20`);
      while (!output.stdout.includes('curl -i')) await once(child.stdout, 'data');
      child.stdin.write('\x03');
      // The warnings are on the terminal too, above.
      const [, printed = ''] = (await ended).stdout.replaceAll('\r', '').split(' listens on ');
      const [first = '', ...others] = printed.split('\n');
      const [, url = ''] = invitation.exec(first) ?? [];
      assert.notEqual(url, '', first);
      assert.ok(others.join('\n').startsWith(`\n${curlLines(url, 20)}\n`), printed);
    }
  });

  it('prints lines that sign up, log in and greet, in every shell', async () => {
    assert.ok(SHELLS.includes('sh') && SHELLS.includes('bash'), String(SHELLS));
    const server = await serve(SERVE, where);
    const answers = [
      /"(?:User created|User already exists)"/,
      /^\{"access_token":"[\w.-]+"\}$/,
      /"Hello joe"/,
      /^HTTP\/1\.1 401 /,
    ];
    for (const shell of SHELLS) {
      const printed = await outputOf(shell, linesFor(server.url));
      const lines = printed.split(/\r?\n/);
      const places = answers.map((answer) => lines.findIndex((line) => answer.test(line)));
      assert.ok(!places.includes(-1), `${shell}: ${printed}`);
      assert.deepEqual(places.toSorted((a, b) => a - b), places, `${shell}: ${printed}`);
    }
    await stop(server);
  });

  it('prints lines that show a refused login, and then send no token, in every shell', async () => {
    const server = await serve(SERVE, where);
    const joe = { username: 'joe', password: 'another horse' };
    assert.equal((await send(`${server.url}/signup`, 'POST', joe)).status, 200);
    for (const shell of SHELLS) {
      const printed = await outputOf(shell, linesFor(server.url));
      assert.match(printed, /"User already exists"[^]*"description":"Invalid credentials"/, shell);
      assert.match(printed, /TOKEN: no token$/m, shell);
    }
    const { stderr } = await stop(server);
    const codes = logLines(stderr).map(({ code }) => code).filter((code) => code !== undefined);
    assert.deepEqual(codes, SHELLS.flatMap(() => ['ERR_USER_EXISTS', 'ERR_CREDENTIALS']));
  });

  it('prints lines that say why a login was not answered, and then send no token', async () => {
    const server = await serve(SERVE, where);
    await stop(server);
    const printed = await outputOf('sh', linesFor(server.url));
    assert.match(printed, /curl: \(7\) [^]*curl: \(7\) [^]*TOKEN: no token$/m);
  });
});

const inShell = promisify(execFile);
const here = new Router().get('/here', () => 'done');

for (const name of ['plain-1.socket', 'with a space', `it's "$HOME" \\ ;`, 'Schlüssel']) {
  test(`curl reaches a Unix socket with the name ${name}`, async () => {
    const path = join(await emptyFolder(), name);
    const server = await listen(here, { path });
    const target = curlTarget(server.url, path);
    const { stdout } = await inShell('bash', ['-c', `curl -sS ${target}/here`]);
    await server.close();
    assert.equal(stdout, '"done"\n');
  });
}

test('a server on a Unix socket invites nobody to open its page in a browser', () => {
  const start = { places: 'users', page: true, minPasswordLength: 8, isTerminal: true };
  const onSocket = startText({ ...start, url: 'http://unix:/run/a', socket: '/run/a' });
  assert.match(onSocket, /^latchkey listens on http:\/\/unix:\/run\/a, users\. Try it:\n/);
  assert.doesNotMatch(onSocket, /browser/);
  const onPort = startText({ ...start, url: 'http://127.0.0.1:3000', socket: undefined });
  assert.match(onPort, / Open http:\/\/127\.0\.0\.1:3000\/ in a browser, or try it:\n/);
});

test('a path without special characters is not quoted, and TLS has its scheme', async () => {
  assert.equal(curlTarget('http://unix:/run/a', '/run/a'), '--unix-socket /run/a http://localhost');
  assert.equal(curlTarget('http://127.0.0.1:3000', undefined), 'http://127.0.0.1:3000');
  const path = join(await emptyFolder(), 'socket');
  const server = await listen(here, { path, tls: FIRST });
  const target = curlTarget(server.url, path);
  const { stdout } = await inShell('bash', ['-c', `curl -sSk ${target}/here`]);
  await server.close();
  assert.equal(stdout, '"done"\n');
});
