/** A terminal that closes stops the server that was started from it, and no other. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
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

const ARGS = 'serve --port 0 --scrypt-cost 17 --log json --users';
const SERVER = [...command(), ARGS, 'memory'].join(' ');
const SERVER_OF_FILES = [...command(), ARGS, 'file', '--data', 'data'].join(' ');

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
  const pid = Number(await found(/^(\d+)\n$/, () => textOf('pid')));
  servers.add(pid);
  const filesOf = async (folder: string) => {
    return (await readdir(join(cwd, folder)).catch(() => [])).sort().join('\n');
  };
  return {
    pid,
    told,
    /** @returns the URL of the server, once it listens */
    listening: () => told(/listens on (http:[^\s"]+\d)/),
    filesOf,
    /** @returns once the name of a file in the folder has the pattern */
    hasFile: (folder: string, pattern: RegExp) => found(pattern, () => filesOf(folder)),
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
    const url = await server.listening();
    process.kill(server.pid, 'SIGHUP');
    await server.told(/"event":"(reload)"/);
    assert.equal(await statusOf(url), 401);
    await server.closeTerminal();
    assert.equal(await server.ended(), 129);
  });

  it('the end of the terminal during the start ends with 129 too, and leaves no lock', async ({ signal }) => {
    const server = await onTerminal(`sh -c "echo \\$\\$ >pid; exec ${SERVER_OF_FILES}"`, signal);
    await server.hasFile('data', /(\.lock)/);
    await server.closeTerminal();
    assert.equal(await server.ended(), 129);
    assert.equal(await server.filesOf('data'), 'sessions.jsonl\nusers.jsonl');
  });

  it('a server whose streams are files survives the end, as with nohup', async ({ signal }) => {
    const redirected = `${SERVER} </dev/null >log 2>&1`;
    const server = await onTerminal(`sh -c "echo \\$\\$ >pid; exec ${redirected}"`, signal);
    const url = await server.listening();
    await server.closeTerminal();
    // The kernel has sent SIGHUP.
    await server.told(/"event":"(reload)"/);
    assert.equal(await statusOf(url), 401);
    process.kill(server.pid, 'SIGTERM');
    assert.equal(await server.ended(), 0);
  });

  it('a server in a session of its own survives the end and later signals, by setsid', async ({ signal }) => {
    const logged = `${SERVER} 2>log`;
    const line = `setsid -w sh -c "echo \\$\\$ >pid; exec ${logged}"`;
    const server = await onTerminal(line, signal);
    const url = await server.listening();
    await server.closeTerminal();
    process.kill(server.pid, 'SIGHUP');
    await server.told(/"event":"(reload)"/);
    assert.equal(await statusOf(url), 401);
    process.kill(server.pid, 'SIGTERM');
    assert.equal(await server.ended(), 0);
  });
});
