/**
 * latchkey on Deno and Bun: the tutorial, the command with its file store, and the guard. Each is
 * run from the installed package, and the tutorial also from the source. A test is skipped if the
 * binary of its runtime is not installed.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { JOE, login, signup } from '../support/command-client.ts';
import { programs, root, shellBlock } from '../support/documents.ts';
import { assertGuarded } from '../support/guarded-program.ts';
import { send } from '../support/app.ts';
import { assertRefused, emptyFolder, run, serve, stop } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';
import { makeUserFolder, removeUserFolder, run as execute } from '../support/user-folder.ts';

const PACKAGES = join(root, 'test/interop/node_modules');

/** The commands of the page, up to the program: `deno run` on two lines, and `bun run`. */
const [, DENO = '', BUN = ''] =
  /^deno (.*) \\\n.*\nbun (\S+) /.exec(shellBlock('deno run')) ?? assert.fail('no block');

interface Runtime {
  readonly name: string;
  /** The binary itself: the wrapper of npm works only after its install script. */
  readonly file: string;
  /** The arguments before a program that may write below a folder. */
  readonly argsFor: (folder: string) => readonly string[];
  /** How users of this runtime serve a function from a `Request` to a `Response`. */
  readonly serveWeb: string;
}

const RUNTIMES: readonly Runtime[] = [
  {
    name: 'Deno',
    file: join(PACKAGES, '@deno/linux-x64-glibc/deno'),
    argsFor: (folder) => [...DENO.replace('latchkey-data', folder).split(' '), '--no-prompt'],
    serveWeb: 'const { port } = Deno.serve({ port: 0, onListen() {} }, answer).addr;',
  },
  {
    name: 'Bun',
    file: join(PACKAGES, '@oven/bun-linux-x64/bin/bun'),
    argsFor: () => [BUN],
    serveWeb: 'const { port } = Bun.serve({ port: 0, fetch: answer });',
  },
];

const serveWeb = ({ serveWeb }: Runtime) => `
import { hello, login } from './web.mts';
const answer = (request) => {
  return new URL(request.url).pathname === '/auth' ? login(request) : hello(request);
};
${serveWeb}
console.log('http://127.0.0.1:' + port);
`;

let folder = '';

before(async () => {
  folder = await makeUserFolder(() => false);
  const tutorial = await readFile(join(root, 'test/interop/runtime-tutorial.ts'), 'utf8');
  writeFileSync(join(folder, 'tutorial.ts'), tutorial.replace('../../src/index.ts', 'latchkey'));
  for (const name of ['auth.mts', 'web.mts']) {
    // Node's loader tsx maps the name of the compiled file to the source. Deno does not.
    writeFileSync(join(folder, name), programs.get(name)?.replace('.mjs', '.mts') ?? '');
  }
});

after(() => removeUserFolder(folder));

for (const runtime of RUNTIMES) {
  const { name, file, argsFor } = runtime;
  const skip = !existsSync(file) && `${name} is not installed`;
  describe(`a runtime that is not Node: ${name}`, { skip, timeout: 120_000 }, () => {
    const tutorial = async (program: string) => {
      const cwd = await emptyFolder();
      const args = [...argsFor(cwd), program, join(cwd, 'users.jsonl')];
      const { stdout } = await execute(file, args, { cwd: folder });
      assert.equal(stdout, 'done\n');
    };
    it('the tutorial and the file store work in the installed package', async () => {
      await tutorial(join(folder, 'tutorial.ts'));
    });

    it('they work in the source, without a build', async () => {
      await tutorial(join(root, 'test/interop/runtime-tutorial.ts'));
    });

    it('latchkey serve keeps a user through kill -9, and stops at SIGTERM', async () => {
      const cwd = await emptyFolder();
      const main = join(folder, 'node_modules/latchkey/dist/cli/main.js');
      const command = [file, ...argsFor(cwd), main];
      assert.match((await run('--version', { cwd, command })).stdout, /^\d+\.\d+\.\d+/);
      const flags = 'serve --port 0 --scrypt-cost 1';
      const first = await serve(flags, { cwd, command });
      assert.equal(await signup(first.url, JOE), 200);
      assertRefused(await run('serve --port 0', { cwd, command }), 1, [/in use by process \d+/]);
      first.child.kill('SIGKILL');
      await first.ended;
      const second = await serve(flags, { cwd, command });
      const headers = { Authorization: `JWT ${await login(second.url, JOE)}` };
      const { body } = await send(`${second.url}/hello`, 'GET', undefined, headers);
      assert.deepEqual(body, { Status: 'Success', result: 'Hello joe' });
      assert.equal((await stop(second)).code, 0);
    });

    it('of an unhandled rejection the command prints only message and stack', async () => {
      const cwd = await emptyFolder();
      const main = join(folder, 'node_modules/latchkey/dist/cli/main.js');
      const program = join(cwd, 'rejects.mjs');
      writeFileSync(program, `
        const error = Object.assign(new Error('it broke'), { detail: '47' + '11' });
        process.on('SIGUSR2', () => void Promise.reject(error));
        await import(${JSON.stringify(main)});
      `);
      const flags = 'serve --port 0 --users memory';
      const env = { LATCHKEY_SECRET: SECRET };
      const command = [file, ...argsFor(cwd), program];
      const { child, ended } = await serve(flags, { cwd, env, command });
      child.kill('SIGUSR2');
      const { code, stderr } = await ended;
      assert.equal(code, 1);
      assert.match(stderr, /^latchkey: Error: it broke\n +at /m);
      assert.doesNotMatch(stderr, /4711/);
    });

    it('the guard works for a Request of the runtime, with own users', async () => {
      const program = join(folder, `serve-${name}.mts`);
      writeFileSync(program, serveWeb(runtime));
      const env = { ...process.env, SECRET };
      const args = [...argsFor(folder), program];
      const child = spawn(file, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        const [url] = await once(createInterface(child.stdout), 'line');
        await assertGuarded(url);
        const token = await login(url, JOE);
        const authorization = `Bearer ${token}`;
        const answer = await send(`${url}/hello`, 'GET', undefined, { authorization });
        assert.deepEqual([answer.status, answer.body], [200, { hello: 'joe' }]);
        const wrong = await send(`${url}/auth`, 'POST', { ...JOE, password: 'correct house' });
        assert.equal(wrong.status, 401);
      } finally {
        child.kill();
        await once(child, 'exit');
      }
    });
  });
}
