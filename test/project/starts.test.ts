/**
 * The ways in which people start and bundle the installed package, and what the script `prepare`
 * does in a clone. test/interop has those that need the registry of npm or another runtime.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../support/documents.ts';
import { JOE, login, signup } from '../support/command-client.ts';
import {
  assertRefused,
  emptyFolder,
  run,
  serve,
  signalGroup,
  stop,
} from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';
import { makeUserFolder, output, removeUserFolder } from '../support/user-folder.ts';

let folder = '';
let main = '';

before(async () => {
  folder = await makeUserFolder(() => false);
  main = join(folder, 'node_modules/latchkey/dist/cli/main.js');
});

after(() => removeUserFolder(folder));

const NODE = process.execPath;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const FLAGS = 'serve --port 0 --scrypt-cost 1';

/** Asserts that a command serves, with a user in a file, and stops at SIGTERM. */
async function assertServes(command: readonly string[], flags = FLAGS): Promise<void> {
  const cwd = await emptyFolder();
  const server = await serve(flags, { cwd, command, env: { LATCHKEY_SECRET: SECRET } });
  assert.equal(await signup(server.url, JOE), 200);
  assert.match(await login(server.url, JOE), /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.equal((await stop(server)).code, 0);
}

const OPTIONS = [
  '--frozen-intrinsics',
  '--disable-proto=throw',
  '--disable-proto=delete',
  '--disallow-code-generation-from-strings',
  '--enable-source-maps',
  '--preserve-symlinks --preserve-symlinks-main',
  '--conditions=development',
  '--no-experimental-require-module',
  '--unhandled-rejections=strict',
];

const FORK = 'import { fork } from "node:child_process";' +
  'const child = fork(process.argv[2], process.argv.slice(3));' +
  'process.on("SIGTERM", () => child.kill()); child.on("exit", (code) => process.exit(code));';
const CLUSTER = 'import cluster from "node:cluster";' +
  'cluster.setupPrimary({ exec: process.argv[2], args: process.argv.slice(3) });' +
  'const { process: child } = cluster.fork();' +
  'process.on("SIGTERM", () => child.kill()); child.on("exit", (code) => process.exit(code));';

describe('a way of starting', { concurrency: 2, timeout: 120_000 }, () => {
  for (const options of OPTIONS) {
    it(`node ${options}`, () => assertServes([NODE, ...options.split(' '), main]));
  }

  it('the command in .bin, and a symbolic link to it from another folder', async () => {
    const link = join(await emptyFolder(), 'latchkey');
    symlinkSync(join(folder, 'node_modules/.bin/latchkey'), link);
    await assertServes([join(folder, 'node_modules/.bin/latchkey')]);
    await assertServes([link]);
  });

  it('a child of fork, and a worker of a cluster', async () => {
    for (const [name, code] of Object.entries({ 'fork.mjs': FORK, 'cluster.mjs': CLUSTER })) {
      writeFileSync(join(folder, name), code);
      await assertServes([NODE, join(folder, name), main]);
    }
  });

  const hasTypes = major > 22 || (major === 22 && minor >= 18);
  const isWithoutTypes = { skip: !hasTypes && 'this Node does not run TypeScript' };
  it('Node itself runs the source of a clone, without any package', isWithoutTypes, async () => {
    const clone = await emptyFolder();
    for (const name of ['src', 'package.json']) {
      cpSync(join(root, name), join(clone, name), { recursive: true });
    }
    await assertServes([NODE, join(clone, 'src/cli/main.ts')]);
  });

  const hasRun = { skip: major < 22 && 'this Node has no --run' };
  it('node --run start in a clone', hasRun, async () => {
    const server = await serve('--port 0 --users memory --scrypt-cost 1', {
      cwd: root,
      command: [NODE, '--run', 'start', '--'],
      env: { LATCHKEY_SECRET: SECRET },
    });
    assert.equal(await signup(server.url, { ...JOE, password: 'pass' }), 200);
    // As Ctrl-C does. A signal to `node --run` alone does not reach the server.
    signalGroup(server.child, 'SIGINT');
    await server.ended;
    await assert.rejects(fetch(server.url));
  });

  it('under the permission model without a file: it forbids the sync of a file', async () => {
    const permission = major === 20 ? '--experimental-permission' : '--permission';
    const flags = [permission, ...(major >= 25 ? ['--allow-net'] : []), '--no-warnings'];
    const command = [NODE, ...flags, `--allow-fs-read=${folder}/*`, main];
    await assertServes(command, `${FLAGS} --users memory`);
    const cwd = await emptyFolder();
    const withFiles = [NODE, ...flags, '--allow-fs-read=*', `--allow-fs-write=${cwd}/*`, main];
    const where = { cwd, command: withFiles, env: { LATCHKEY_SECRET: SECRET } };
    assertRefused(await run('serve --port 0', where), 1, [/users\.jsonl cannot be opened/]);
  });
});

const BUNDLED = `
import { AuthError, HttpRequest, Jwt, PostgresUserStore, Router, createApp } from 'latchkey';
import { PasswordHasher } from 'latchkey/password';
import { testUserStore } from 'latchkey/store-contract';
const jwt = new Jwt({ secret: 'x'.repeat(32) });
const thrown = (use) => { try { use(); } catch (error) { return error; } };
const refusal = thrown(() => jwt.verify('a.b.c'));
const mistake = thrown(() => new Jwt({ secret: 7 }));
const names = [refusal.name, refusal instanceof AuthError, refusal.code, mistake.name];
const used = [HttpRequest, PostgresUserStore, Router, createApp, testUserStore];
const isHashed = (hash) => hash.startsWith('$scrypt$') && used.length;
new PasswordHasher({ logN: 1 }).hash('correct horse').then((hash) => {
  console.log(String(refusal), ...names, jwt.verify(jwt.sign({ a: 1 })).a, isHashed(hash));
});
`;
const PRINTED = 'AuthError: Signature verification failed ' +
  'AuthError true ERR_JWT_SIGNATURE TypeError 1 5\n';

describe('a way of bundling', () => {
  for (const format of ['esm', 'cjs'] as const) {
    for (const minify of [false, true]) {
      const title = `esbuild, ${format}${minify ? ', minified' : ''}`;
      it(`${title}: in one file, errors keep their names`, async () => {
        const requireFromTsx = createRequire(import.meta.resolve('tsx'));
        const { buildSync } = requireFromTsx('esbuild') as typeof import('esbuild');
        writeFileSync(join(folder, 'bundled.mjs'), BUNDLED);
        const outfile = join(await emptyFolder(), format === 'esm' ? 'out.mjs' : 'out.cjs');
        const { warnings } = buildSync({
          entryPoints: [join(folder, 'bundled.mjs')],
          bundle: true,
          platform: 'node',
          format,
          minify,
          outfile,
        });
        assert.deepEqual(warnings, []);
        assert.equal(await output(folder, outfile), PRINTED);
      });
    }
  }
});

/** Runs the script `prepare` in a copy of some files of this repository, as npm runs it. */
function prepare(clone: string, command = 'install') {
  const { scripts } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));
  const env = { ...process.env, npm_command: command };
  return spawnSync(scripts.prepare, { cwd: clone, encoding: 'utf8', env, shell: true });
}

const CLONED = ['package.json', 'tsconfig.json', 'src', '.ci'];

describe('a way of installing that runs prepare alone', () => {
  let clone = '';
  const copy = async (names: readonly string[]) => {
    clone = mkdtempSync(join(await emptyFolder(), 'clone é '));
    for (const name of names) cpSync(join(root, name), join(clone, name), { recursive: true });
  };
  const built = () => join(clone, 'dist/cli/main.js');

  it('with the compiler it builds a command that can run, and npm pack builds once', async () => {
    await copy(CLONED);
    symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
    // From an earlier version.
    mkdirSync(join(clone, 'dist'));
    writeFileSync(join(clone, 'dist/old.js'), '');
    // npm has run `prepack` before.
    assert.equal(prepare(clone, 'pack').status, 0);
    assert.equal(existsSync(join(clone, 'dist/old.js')), true);
    assert.equal(prepare(clone).status, 0);
    assert.equal(existsSync(join(clone, 'dist/old.js')), false);
    assert.match(spawnSync(built(), ['--version'], { encoding: 'utf8' }).stdout, /^\d/);
  });

  it('without the compiler, or with another version, it succeeds and builds nothing', async () => {
    for (const version of [undefined, '0.0.1']) {
      await copy(CLONED);
      if (version !== undefined) {
        const compiler = join(clone, '../node_modules/typescript');
        mkdirSync(compiler, { recursive: true });
        writeFileSync(join(compiler, 'package.json'), JSON.stringify({ version }));
      }
      const { status, stdout, stderr } = prepare(clone);
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
      assert.equal(existsSync(built()), false);
    }
  });

  it('with the manifest alone, as the first layer of a container, it succeeds', async () => {
    await copy(['package.json']);
    symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
    assert.deepEqual([prepare(clone).status, existsSync(built())], [0, false]);
  });

  it('with a compiler for another platform it fails and says so', async () => {
    await copy(CLONED);
    const compiler = join(clone, 'node_modules/typescript');
    cpSync(join(root, 'node_modules/typescript'), compiler, { recursive: true });
    mkdirSync(join(clone, 'node_modules/.bin'));
    symlinkSync('../typescript/bin/tsc', join(clone, 'node_modules/.bin/tsc'));
    const { status, stderr } = prepare(clone);
    assert.notEqual(status, 0);
    assert.match(stderr, /Unable to resolve @typescript\/.*platform/);
  });
});
