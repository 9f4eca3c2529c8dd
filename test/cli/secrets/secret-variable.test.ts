/** LATCHKEY_SECRET in a file: what is told about the file. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertRefused, emptyFolder, run, serve, stop } from '../../support/run-command.ts';

const SECRET = 'marker'.repeat(6);

const FILES: readonly [what: string, name: string, mode: number, warning: RegExp][] = [
  ['that others can read', 'LATCHKEY_SECRET', 0o644, /^latchkey: env is accessible to other users/],
  ['that others cannot read', 'LATCHKEY_SECRET', 0o600, /^$/],
  ['with a similar name', 'LATCHKEY_SECRETS', 0o600, /^latchkey: env: it sets a name similar to /],
];
for (const [what, name, mode, warning] of FILES) {
  test(`a secret that others know: an environment file ${what}`, { timeout: 60_000 }, async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'env'), `${name}=${SECRET}\n`);
    await chmod(join(cwd, 'env'), mode);
    const server = await serve('serve --port 0 --users memory --environment env', { cwd });
    const { stderr } = await stop(server);
    assert.match(stderr, warning);
    assert.ok(!stderr.includes('marker'));
  });
}

test('an environment with a name similar to LATCHKEY_SECRET causes a warning', async () => {
  const env = { ...process.env, LATCHKEY_SECRTE: SECRET };
  const cwd = await emptyFolder();
  const { stderr } = await stop(await serve('serve --port 0 --users memory', { cwd, env }));
  assert.match(stderr, /^latchkey: the environment: it sets a name similar to LATCHKEY_SECRET, /);
  assert.ok(!stderr.includes('marker'));
});

test('advice that cannot help: the flag --secret, and --help with a value', async () => {
  const secret = [/unknown flag --secret: set LATCHKEY_SECRET, or use a secret file/];
  assertRefused(await run('serve --secret marker'), 2, secret);
  assertRefused(await run('serve --help=marker'), 2, [/did you mean --help\?/]);
});
