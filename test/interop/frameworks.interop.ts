/**
 * The README's programs for other frameworks, as they stand there: each compiles with strict settings, serves on a
 * socket of its own, and answers as the router does.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { programs, root } from '../support/documents.ts';
import { assertGuarded, assertServes } from '../support/guarded-program.ts';
import { compile, makeUserFolder, removeUserFolder, serveProgram } from '../support/user-folder.ts';

const PACKAGES = join(root, 'test/interop/node_modules');

/** Packages that are installed under another name for the second folder. */
const EXPRESS_4 = { 'express': 'express4', '@types/express': '@types/express4' };

let folder = '';
let folder4 = '';

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(PACKAGES, target), path);
}

before(async () => {
  folder = await makeUserFolder(() => true);
  const names = readdirSync(PACKAGES).filter((name) => !name.startsWith('.'));
  for (const name of names.filter((it) => it !== 'express4')) link(name, join(folder, 'node_modules', name));
  // Below the first, where it finds all else.
  folder4 = join(folder, 'express4');
  for (const [name, target] of Object.entries(EXPRESS_4)) link(target, join(folder4, 'node_modules', name));
  for (const name of ['auth.mts', 'express.mts']) writeFileSync(join(folder4, name), programs.get(name) ?? '');
});

after(() => removeUserFolder(folder));

test('every block of the README compiles for a user with strict settings, whatever it imports', async () => {
  // Types of Koa do not compile by themselves.
  await compile(folder, [...programs.keys()], '--skipLibCheck');
  await compile(folder4, ['express.mts'], '--skipLibCheck');
});

test('in each program the identity has the type that the hook answers, without a cast', async () => {
  const typed = [...programs].filter(([name, code]) => name !== 'auth.mts' && code.includes('.username'));
  assert.ok(typed.length >= 7);
  for (const [name, code] of typed) {
    const wrong = `wrong-${name}`;
    writeFileSync(join(folder, wrong), code.replace('.username', '.nickname'));
    const said = new RegExp(`^${wrong}.+ error TS2339: Property 'nickname' does not exist on type '.*User'`);
    await assert.rejects(compile(folder, [wrong], '--skipLibCheck'), { stdout: said }, name);
  }
});

for (const name of ['express', 'fastify', 'hono', 'koa', 'polka']) {
  test(`${name} guards a route and logs in`, async () => serveProgram(folder, `${name}.mts`, assertServes));
}

test('the program of the front page guards a route in Express, and logs in', async () => {
  await serveProgram(folder, 'protect.mts', assertServes);
});

test('Express 4 guards a route and logs in', async () => serveProgram(folder4, 'express.mts', assertServes));

test('a handler of the Web standard guards itself', async () => {
  await serveProgram(folder, 'hono.mts', async (url) => assertGuarded(url, '/web'));
});
