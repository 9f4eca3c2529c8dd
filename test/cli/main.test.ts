/** The commands in child processes: their help, their exit codes and their streams. */
import assert from 'node:assert/strict';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { SERVE_FLAGS } from '../../src/cli/serve/flags.ts';
import { Jwt } from '../../src/crypto/jwt.ts';
import { send } from '../support/app.ts';
import { ANN, JOE, login, signup } from '../support/command-client.ts';
import { commandPath } from '../support/compiled.ts';
import { LONG, someOf } from '../support/long.ts';
import {
  assertRefused,
  command,
  emptyFolder,
  ROOT,
  run,
  serve,
  signalGroup,
  start,
} from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

const FLAGS = Object.values(SERVE_FLAGS).map(({ name }) => name);

describe('latchkey', { concurrency: 4, timeout: 120_000 }, () => {
  it('npm start accepts "pass", common passwords and flags, and stops at Ctrl-C', LONG, async () => {
    const data = await emptyFolder();
    await writeFile(join(data, 'secret'), `${SECRET}\r\n`);
    const env = {
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
      npm_config_update_notifier: 'false',
      npm_config_logs_max: '0',
    };
    const npmStart = ['npm', 'start', '--', '--data', data];
    const flags = '--port 0 --scrypt-cost 1';
    const server = await serve(flags, { cwd: ROOT, env, command: npmStart });
    const user = { ...JOE, password: 'pass' };
    assert.equal(await signup(server.url, user), 200);
    assert.equal(await signup(server.url, { ...ANN, password: 'password1' }), 200);
    new Jwt({ secret: SECRET }).verify(await login(server.url, user));
    // A terminal sends Ctrl-C to the whole group, and npm passes on the one it got.
    signalGroup(server.child, 'SIGINT');
    await server.ended;
    const files = ['secret', 'sessions.jsonl', 'users.jsonl'];
    assert.deepEqual((await readdir(data)).sort(), files);
  });

  it('--version prints the version of the package', async () => {
    const { code, stdout, stderr } = await run('--version');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(stdout, `${manifest.version}\n`);
  });

  /** The words that a help text must have, and how many lines it may have. */
  const HELP: readonly [line: string, words: readonly string[], maxLines: number][] = [
    ['--help', ['serve', 'users', 'secret', 'inspect', '--version', '"npm start"', 'trials'], 24],
    ['help', ['serve', 'secret', 'inspect', '--help', '--version'], 24],
    ['help serve', [...FLAGS, 'HOST', 'PORT', 'LATCHKEY_SECRET', '"npm start"', 'trials'], 50],
    ['serve -h', [...FLAGS, 'HOST', 'PORT', 'LATCHKEY_SECRET'], 50],
    ['serve --port --help', [...FLAGS, 'HOST', 'PORT', 'LATCHKEY_SECRET'], 50],
    ['users --help', ['set-password <username>', 'logout <username> | --all', '--data'], 24],
    ['users help', ['Usage: latchkey users <subcommand>', 'Exit codes'], 24],
    ['help users add', ['Usage: latchkey users add <username>', 'standard input'], 24],
    ['users logout joe -h', ['Usage: latchkey users logout', '--all '], 24],
    ['secret --help', ['32 random bytes', 'LATCHKEY_SECRET'], 24],
    ['inspect --help', ['<token>', '--secret-file <file>', 'not checked'], 24],
  ];
  for (const [line, words, maxLines] of someOf(HELP)) {
    it(`the help names every flag in 80 columns: latchkey ${line}`, async () => {
      assert.ok(FLAGS.includes('--environment') && FLAGS.includes('--port'), 'the table has flags');
      const { code, stdout, stderr } = await run(line);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      const lines = stdout.trimEnd().split('\n');
      assert.ok(lines.length <= maxLines && lines.every((text) => text.length <= 80), stdout);
      for (const word of words) assert.ok(stdout.includes(word), word);
    });
  }

  /** Runs the command in a process that says that it is an older Node. */
  const runAs = (version: string) => {
    const versions = `{ ...process.versions, node: '${version}' }`;
    const pretend = `Object.defineProperty(process, 'versions', { value: ${versions} });`;
    const [node = '', ...rest] = command();
    const first = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`];
    return run('--version', { command: [node, ...first, ...rest] });
  };

  it('errors that name the right culprit: a Node that is too old, with exit code 1', async () => {
    const told = (version: string) => {
      return `latchkey needs Node 20.19 or later, this is Node ${version}\n`;
    };
    for (const version of someOf(['20.18.3', '18.20.4', '9.99.0'])) {
      const expected = { code: 1, stdout: '', stderr: told(version) };
      assert.deepEqual(await runAs(version), expected);
    }
    for (const version of someOf(['20.19.0', '22.0.0', '100.1.0'])) {
      assert.equal((await runAs(version)).code, 0, version);
    }
  });

  it('errors that name the right culprit: an old Node can parse the file it runs', async () => {
    const main = await readFile(commandPath(), 'utf8');
    const [, ...imports] = main.split(/^import /m);
    assert.deepEqual(imports.map((line) => line.split('\n')[0]), [
      "{ readFileSync } from 'node:fs';",
    ]);
    // esbuild rewrites, or refuses, syntax that its target does not have.
    const requireFromTsx = createRequire(import.meta.resolve('tsx'));
    const { transformSync } = requireFromTsx('esbuild') as typeof import('esbuild');
    const forNode = (version: string) => transformSync(main, { target: `node${version}` }).code;
    assert.equal(forNode('12.20'), forNode('100'));
  });

  it('errors that name the right culprit: a limit that stops the loading of code', async () => {
    const folder = await emptyFolder();
    const from = join(dirname(commandPath()), '../..');
    for (const name of ['package.json', 'src']) {
      await cp(join(from, name), join(folder, name), { recursive: true });
    }
    const error = "Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })";
    const remedy = 'raise the limit on open files of this process (ulimit -n)';
    // Loaded after the command has begun, and before.
    for (const file of ['src/cli/inspect/inspect.js', 'src/cli/command.js']) {
      await writeFile(join(folder, file), `throw ${error};`);
      const main = [process.execPath, '--', join(folder, 'src/cli/main.js')];
      const { code, stderr } = await run('inspect a.b.c', { command: main });
      assert.equal(stderr, `latchkey: EMFILE: too many open files: ${remedy}\n`, file);
      assert.equal(code, 1);
    }
  });

  it('survives the end of the process that reads its output', async () => {
    const help = start('--help');
    help.child.stdout.destroy();
    assert.deepEqual(await help.ended, { code: 0, stdout: '', stderr: '' });

    const { child, url } = await serve('serve --port 0 --users memory --log json');
    child.stderr.destroy();
    // Each refusal is logged. Node ignores the first writes that fail.
    for (let index = 0; index < 8; index += 1) {
      assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
    }
  });

  it('secret prints a secret that Jwt accepts, and another one each time', async () => {
    const [one, other] = await Promise.all([run('secret'), run('secret')]);
    assert.deepEqual([one.code, one.stderr], [0, '']);
    assert.match(one.stdout, /^[\w-]{43}\n$/);
    new Jwt({ secret: one.stdout.trimEnd() });
    assert.notEqual(one.stdout, other.stdout);
  });

  const needsDevFull = { skip: process.platform !== 'linux' };

  it('ends with 1 if its output cannot be written, as on a full disk', needsDevFull, async () => {
    const toFullDisk = ['sh', '-c', '"$@" > /dev/full', 'sh', ...command(), 'secret'];
    assertRefused(await run('', { command: toFullDisk }), 1, [/ENOSPC/]);
  });

  it('says on one line what failed, also if the name of a file has a line break', async () => {
    const words = ['inspect', 'a.b.c', '--secret-file', 'one\ntwo'];
    const ended = await run('', { command: [...command(), ...words] });
    assertRefused(ended, 1, [/^latchkey: /]);
  });
});
