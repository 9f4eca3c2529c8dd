/** Which modules of Node a start loads. Each of those named here would slow down every start. */
import assert from 'node:assert/strict';
import { builtinModules } from 'node:module';
import { test } from 'node:test';
import { commandPath } from './support/compiled.ts';
import { serve } from './support/run-command.ts';
import { codeOf, files } from './support/sources.ts';
import { SECRET } from './support/tokens.ts';

/** Prints the modules of Node that the process has loaded, when it exits. */
const PRINT_MODULES = `data:text/javascript,
  process.on('exit', () => console.error(process.moduleLoadList.join(' , ')));`;

/** The HTTP client, TLS, and the modules that exports of node:process and node:util load. */
const NOT_LOADED = ['internal/deps/undici/undici', 'http2', 'https', 'tls', 'worker_threads'];

test('a server with plain HTTP starts without the HTTP client of Node and without TLS', async () => {
  const server = await serve('serve --port 0 --users memory --scrypt-cost 1', {
    command: [process.execPath, '--import', encodeURI(PRINT_MODULES), '--', commandPath()],
    env: { LATCHKEY_SECRET: SECRET },
  });
  server.child.kill('SIGTERM');
  const { stderr } = await server.ended;
  const loaded = stderr.split(/ , |\n/).map((line) => line.replace('NativeModule ', '').trim());
  assert.ok(loaded.includes('http') && loaded.includes('crypto'), stderr);
  for (const name of NOT_LOADED) assert.ok(!loaded.includes(name), `${name} is loaded`);
});

/** Modules of which an import reads exports that load more. */
const COSTLY = ['node:http', 'node:http2', 'node:https', 'node:process', 'node:tls', 'node:util'];
/** The command `inspect`, the contract suites and the administration are not part of a start. */
const NOT_OF_A_START = /^src\/(?:cli\/(?:inspect|administration)\/|sessions\/contract-)/;
const VALUE_IMPORT = /^import (?!type)[^;]*? from '([^']+)'/gm;

test('no file that a start loads imports a module of Node that would slow it down', () => {
  assert.ok(COSTLY.every((name) => builtinModules.includes(name.slice('node:'.length))));
  for (const file of files.filter((name) => !NOT_OF_A_START.test(name))) {
    for (const [statement = '', name = ''] of codeOf(file).matchAll(VALUE_IMPORT)) {
      assert.ok(!COSTLY.includes(name), `${file}: ${statement}: use src/node-modules.ts`);
    }
  }
});
