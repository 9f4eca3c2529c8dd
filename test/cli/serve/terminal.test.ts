/** A terminal that closes stops the server that was started from it, and no other. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../../support/app.ts';
import { command, emptyFolder, start } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const hasScript = (() => {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
})();
const skip = hasScript ? false : 'script of util-linux is missing';

const ARGS = 'serve --port 0 --users memory --scrypt-cost 17 --log json';
const SERVER = [...command(), ARGS].join(' ');

const servers = new Set<number>();
after(() => {
  for (const pid of servers) process.kill(pid, 'SIGKILL');
});

/**
 * Runs a line of the shell on a terminal of its own. Its leader is another shell, which the end of
 * the terminal ends. Then the kernel sends SIGHUP to the processes of that terminal.
 * @param line writes the process id of the server to a file `pid`
 * @param signal that of the test, which ends the waiting
 */
async function onTerminal(line: string, signal: AbortSignal) {
  const cwd = await emptyFolder();
  const script = `trap "" HUP; ${line}; echo $? >code`;
  const words = ['script', '-qec', `sh -c '${script}' & wait`, '/dev/null'];
  const { child, output, ended: scriptEnded } = start('', {
    command: words,
    cwd,
    env: { LATCHKEY_SECRET: SECRET },
  });
  const textOf = (file: string) => readFile(join(cwd, file), 'utf8').catch(() => '');
  /** @returns what the pattern finds in a text, once it does */
  const found = async (pattern: RegExp, read: () => Promise<string>): Promise<string> => {
    for (;;) {
      const [, part] = pattern.exec(await read()) ?? [];
      if (part !== undefined) return part;
      await delay(10, undefined, { signal });
    }
  };
  const told = (pattern: RegExp) => {
    return found(pattern, async () => output.stdout + await textOf('log'));
  };
  const url = await told(/listens on (http:[^\s"]+\d)/);
  const pid = Number(await textOf('pid'));
  servers.add(pid);
  return {
    pid,
    url,
    told,
    closeTerminal: async () => {
      child.kill('SIGKILL');
      await scriptEnded;
    },
    /** @returns the exit code of the server, once it has ended */
    ended: async () => {
      const code = await found(/^(\d+)\n$/, () => textOf('code'));
      servers.delete(pid);
      return Number(code);
    },
  };
}

const statusOf = async (url: string) => (await send(`${url}/hello`, 'GET')).status;

describe('a server and its terminal', { concurrency: 3, timeout: 60_000, skip }, () => {
  it('SIGHUP reloads while the terminal is open, and its end stops the server with 129', async ({ signal }) => {
    const server = await onTerminal(`sh -c "echo \\$\\$ >pid; exec ${SERVER}"`, signal);
    process.kill(server.pid, 'SIGHUP');
    await server.told(/"event":"(reload)"/);
    assert.equal(await statusOf(server.url), 401);
    await server.closeTerminal();
    assert.equal(await server.ended(), 129);
  });

  it('a server whose streams are files survives the end, as with nohup', async ({ signal }) => {
    const redirected = `${SERVER} </dev/null >log 2>&1`;
    const server = await onTerminal(`sh -c "echo \\$\\$ >pid; exec ${redirected}"`, signal);
    await server.closeTerminal();
    // The kernel has sent SIGHUP.
    await server.told(/"event":"(reload)"/);
    assert.equal(await statusOf(server.url), 401);
    process.kill(server.pid, 'SIGTERM');
    assert.equal(await server.ended(), 0);
  });

  it('a server in a session of its own survives the end and later signals, by setsid', async ({ signal }) => {
    const logged = `${SERVER} 2>log`;
    const line = `setsid -w sh -c "echo \\$\\$ >pid; exec ${logged}"`;
    const server = await onTerminal(line, signal);
    await server.closeTerminal();
    process.kill(server.pid, 'SIGHUP');
    await server.told(/"event":"(reload)"/);
    assert.equal(await statusOf(server.url), 401);
    process.kill(server.pid, 'SIGTERM');
    assert.equal(await server.ended(), 0);
  });
});
