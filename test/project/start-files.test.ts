/** Which files of src every start loads: those that a chain of import statements reaches. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { codeOf, files } from '../support/sources.ts';

/** Not `import type`. A call of `import` loads a file later, or never. */
const VALUE_IMPORT = /^(?:import|export) (?!type)[^;]*? from '(\.[^']+)'/gm;

/** @returns these files, and those that are loaded together with them */
function loadedWith(...first: readonly string[]): ReadonlySet<string> {
  const loaded = new Set(first);
  // The loop also visits what it adds.
  for (const file of loaded) {
    for (const [, path = ''] of codeOf(file).matchAll(VALUE_IMPORT)) {
      loaded.add(join(dirname(file), path));
    }
  }
  return loaded;
}

const START = [
  'src/cli/main.ts',
  'src/cli/command.ts',
  'src/cli/serve/hangups.ts',
  'src/cli/serve/flags.ts',
  'src/cli/serve/serve.ts',
];

/** What other commands and other flags need, and what is loaded once the server answers. */
const LATER = [
  /^src\/cli\/(?:administration|inspect|users)/,
  /^src\/cli\/(?:environment-file|serve\/reload|serve\/tls-files|stores\/pg-pool)\.ts/,
  /^src\/(?:journal\/(?!disk|system-errors)|postgres\/)/,
  /json-file|postgres\.ts/,
];

test('a start loads no file of a command, a store or a flag that was not chosen', () => {
  const loaded = [...loadedWith(...START)];
  assert.ok(loaded.includes('src/crypto/jwt.ts') && loaded.includes('src/users/memory.ts'));
  for (const pattern of LATER) {
    assert.deepEqual(loaded.filter((file) => pattern.test(file)), [], String(pattern));
  }
});

test('the files of the stores are loaded together, before the command becomes another user', () => {
  const loaded = loadedWith('src/cli/stores/data-files.ts');
  for (const file of ['users/json-file', 'sessions/json-file', 'journal/journal', 'journal/disk']) {
    assert.ok(loaded.has(`src/${file}.ts`), file);
  }
  const code = codeOf('src/cli/administration/open-administration.ts');
  const steps = ['await loadDataFiles()', 'await becomeOwnerOf('].map((step) => code.indexOf(step));
  assert.ok(steps[0] !== -1 && Number(steps[0]) < Number(steps[1]), String(steps));
});

/** They load code while a command starts. A later call could find the code of another version. */
const LOADERS = [
  'src/cli/command.ts',
  'src/cli/main.ts',
  'src/cli/serve/serve.ts',
  'src/cli/shared-flags.ts',
  'src/cli/stores/stores.ts',
];

test('only the start of a command calls import, so a running server reads no code', () => {
  const callers = files.filter((file) => /(?<!typeof )\bimport\('/.test(codeOf(file)));
  assert.deepEqual(callers, LOADERS);
});
