/** What `latchkey serve` prints when it listens: its address, and lines to paste into a shell. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { send } from '../support/app.ts';
import { logLines, run, serve, stop } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

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

/** The lines below the first one, which names the address. */
const linesOf = (stdout: string) => stdout.split('\n').slice(1).join('\n');

describe('the start of latchkey serve', { concurrency: 3, timeout: 120_000 }, () => {
  it('names the URL of the page with --page on, and only then', async () => {
    const [on, byDefault] = await Promise.all([
      serve(`${SERVE} --page on`, where),
      serve(SERVE, where),
    ]);
    const [withPage = ''] = on.output.stdout.split('\n');
    const [withoutPage = ''] = byDefault.output.stdout.split('\n');
    const invitation = `, secret in LATCHKEY_SECRET. Open ${on.url}/ in a browser, or try it:`;
    assert.ok(withPage.endsWith(invitation), withPage);
    assert.ok(withoutPage.endsWith(', secret in LATCHKEY_SECRET. Try it:'), withoutPage);
    await Promise.all([stop(on), stop(byDefault)]);
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
      const printed = await outputOf(shell, linesOf(server.output.stdout));
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
      const printed = await outputOf(shell, linesOf(server.output.stdout));
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
    const printed = await outputOf('sh', linesOf(server.output.stdout));
    assert.match(printed, /curl: \(7\) [^]*curl: \(7\) [^]*TOKEN: no token$/m);
  });
});
