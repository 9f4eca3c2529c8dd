/** Where the command looks for the package pg, and what it says if pg is missing or broken. */
import assert from 'node:assert/strict';
import { chown, cp, mkdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { commandPath } from '../../support/compiled.ts';
import { someOf } from '../../support/long.ts';
import { assertRefused, emptyFolder, run } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const isRoot = process.getuid?.() === 0;
const KIND = 'errors that name the right culprit:';

/** A pool whose statements fail, so that the server ends, with a message that names its place. */
const poolOf = (place: string) => `exports.Pool = class {
  on() {}
  async end() {}
  async query() { throw new Error('this is pg ${place}'); }
};`;

/** A copy of the command, without pg in the folders above, and a project in another folder. */
async function foldersWith(files: Readonly<Record<string, string>>) {
  const base = await realpath(await emptyFolder());
  const from = join(dirname(commandPath()), '../..');
  for (const name of ['package.json', 'src']) {
    await cp(join(from, name), join(base, 'global', name), { recursive: true });
  }
  await mkdir(join(base, 'project'));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(base, dirname(path)), { recursive: true });
    await writeFile(join(base, path), content);
  }
  const start = () => run('serve --port 0 --users postgres://joe@127.0.0.1:1/database', {
    cwd: join(base, 'project'),
    env: { LATCHKEY_SECRET: SECRET },
    command: [process.execPath, '--', join(base, 'global/src/cli/main.js')],
  });
  return { base, start };
}

const OWN = 'global/node_modules/pg/index.js';
const OF_PROJECT = 'project/node_modules/pg/index.js';

describe('latchkey serve --users postgres://', { concurrency: 4, timeout: 60_000 }, () => {
  it(`${KIND} pg in the project, beside a latchkey that is installed elsewhere`, async () => {
    const { start } = await foldersWith({ [OF_PROJECT]: poolOf('of the project') });
    assertRefused(await start(), 1, [/this is pg of the project/]);
  });

  it('prefers the pg beside latchkey', async () => {
    const { start } = await foldersWith({
      [OWN]: poolOf('of latchkey'),
      [OF_PROJECT]: poolOf('of the project'),
    });
    assertRefused(await start(), 1, [/this is pg of latchkey/]);
  });

  it(`${KIND} pg is missing in both places, which are named`, async () => {
    const { base, start } = await foldersWith({});
    const { code, stderr } = await start();
    assert.equal(code, 1);
    const problem = 'PostgreSQL needs the package pg, which is not installed: npm install pg';
    const places = `It was looked for from ${base}/global and from ${base}/project upwards`;
    assert.equal(stderr, `latchkey: --users: ${problem}. ${places}.\n`);
  });

  it('as root loads no pg that belongs to another user', { skip: !isRoot }, async () => {
    const { base, start } = await foldersWith({ [OF_PROJECT]: poolOf('of the project') });
    const pg = join(base, 'project/node_modules/pg');
    for (const path of [join(base, 'project/node_modules'), pg]) {
      await chown(path, 65_534, 65_534);
      const words = [RegExp(`root does not load the package pg from ${path}, which belongs to an`)];
      assertRefused(await start(), 1, words);
      await chown(path, 0, 0);
    }
    // Who owns latchkey itself is trusted with pg too.
    for (const path of [pg, join(base, 'global')]) await chown(path, 65_534, 65_534);
    assertRefused(await start(), 1, [/this is pg of the project/]);
  });

  it('as root takes no other file of another user for pg', { skip: !isRoot }, async () => {
    const code = poolOf('of a stranger');
    const cases: readonly Readonly<Record<string, string>>[] = [
      { 'project/node_modules/pg.js': code },
      { 'node_modules/pg.js': code },
      { 'project/package.json': '{"name":"pg","exports":"./own.cjs"}', 'project/own.cjs': code },
    ];
    for (const files of someOf(cases)) {
      const { base, start } = await foldersWith(files);
      for (const path of Object.keys(files)) {
        for (const owned of [path, dirname(path)]) await chown(join(base, owned), 65_534, 65_534);
      }
      const { code: exitCode, stderr } = await start();
      assert.equal(exitCode, 1);
      assert.match(stderr, /^latchkey: --users: root does not load the package pg from .+, which/);
    }
  });

  it('a database that stops breaks ten connections, and is one line that names it', async () => {
    const pool = `const { EventEmitter } = require('node:events');
exports.Pool = class extends EventEmitter {
  async end() {}
  async query() {
    for (let count = 0; count < 10; count += 1) this.emit('error', new Error('it has stopped'));
    throw new Error('no more');
  }
};`;
    const { start } = await foldersWith({ [OF_PROJECT]: pool });
    const { stderr } = await start();
    const problem = 'latchkey: users in PostgreSQL at 127.0.0.1:1/database: a connection broke';
    const remedy = 'Check that the database is running: requests connect again.';
    const [first = '', second = '', ...rest] = stderr.split('\n');
    assert.equal(first, `${problem}: it has stopped. ${remedy}`);
    assert.match(second, /no more/);
    assert.deepEqual(rest, ['']);
  });

  const BROKEN: Readonly<Record<string, string>> = {
    'throws when it is loaded': "throw new Error('made for another Node');",
    'lacks a package that it needs': "require('pg-protocol-marker');",
    'has no Pool': '',
    'throws no Error': "throw 'made for another Node';",
  };
  for (const [what, code] of someOf(Object.entries(BROKEN))) {
    it(`${KIND} a pg that ${what}`, async () => {
      const { base, start } = await foldersWith({ [OF_PROJECT]: code });
      const { stderr, ...ended } = await start();
      const found = `the package pg, found from ${base}/project`;
      assert.ok(stderr.startsWith(`latchkey: --users: ${found}, cannot be loaded: `), stderr);
      assert.match(stderr, /: .+\. Install it again: npm install pg\n$/);
      assert.doesNotMatch(stderr, / \| |Require stack/);
      assert.deepEqual(ended, { code: 1, stdout: '' });
    });
  }
});
