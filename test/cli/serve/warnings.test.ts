/** Which legal settings the server warns of, and from which value on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readServeConfig } from '../../../src/cli/serve/flags.ts';
import { warningsOf } from '../../../src/cli/serve/warnings.ts';
import { serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const LOCAL = 'http://127.0.0.1:3000';

async function warnings(flags: string, url = LOCAL): Promise<readonly string[]> {
  return warningsOf(await readServeConfig(flags.split(' ')), url);
}

const DANGEROUS: readonly [harmless: string, dangerous: string, warning: RegExp][] = [
  ['--lifetime=2592000', '--lifetime=2592001', /^--lifetime 2592001 .* 30 days: use 2592000 or /],
  ['--leeway=300', '--leeway=301', /^--leeway 301 accepts tokens long after they expire: /],
  ['--throttle=on', '--throttle=off', /^--throttle off lets clients guess passwords /],
  ['--scrypt-cost=17', '--scrypt-cost=16', /^--scrypt-cost 16 .*: use 17 or more$/],
  ['--users=postgres://joe@host/db', '--users=postgres://joe:x@host/db', /^--users: .* PGPASSWORD/],
  ['--users=postgres:///db', '--users=postgres:///db?password=x', /^--users: .* PGPASSWORD/],
];
for (const [harmless, dangerous, warning] of DANGEROUS) {
  test(`a setting that is legal and dangerous causes a warning: ${dangerous}`, async () => {
    assert.deepEqual(await warnings(harmless), []);
    const [found = '', ...others] = await warnings(dangerous);
    assert.match(found, warning);
    assert.deepEqual(others, []);
  });
}

test('errors that name the right culprit: plain HTTP on an address that HOST names', async () => {
  const url = 'http://192.0.2.1:3000';
  const [ofFlag = ''] = await warnings('--host=192.0.2.1', url);
  assert.match(ofFlag, /^plain HTTP shows passwords to the network: use --tls-cert and --tls-key/);
  process.env['HOST'] = '192.0.2.1';
  const [ofVariable = ''] = await warnings('--port=0', url);
  delete process.env['HOST'];
  const cause = /^environment variable HOST makes the server listen on 192\.0\.2\.1, where plain /;
  assert.match(ofVariable, cause);
  assert.match(ofVariable, /: unset it, use --host 127\.0\.0\.1, or serve TLS with --tls-cert/);
  assert.deepEqual(await warnings('--host=192.0.2.1', url.replace('http:', 'https:')), []);
});

test('plain HTTP over a Unix socket causes no warning', async () => {
  const flags = '--socket=/run/latchkey/socket --trust-proxy=1';
  assert.deepEqual(await warnings(flags, 'http://unix:/run/latchkey/socket'), []);
  assert.equal((await warnings('--port=0', 'http://192.0.2.1:3000')).length, 1);
});

test('the flags of npm start cause no warning', async () => {
  const flags = '--min-password-length=4 --common-passwords=allow --page=on';
  assert.deepEqual(await warnings(flags), []);
});

test('the page causes no warning, on any address: it sends what any client can', async () => {
  const flags = '--page=on --host=192.0.2.1';
  assert.deepEqual(await warnings(flags, 'https://192.0.2.1:3000'), []);
  const overPlainHttp = await warnings(flags, 'http://192.0.2.1:3000');
  assert.deepEqual(overPlainHttp, await warnings('--host=192.0.2.1', 'http://192.0.2.1:3000'));
});

test('a server that listens logs its warnings', { timeout: 60_000 }, async () => {
  const flags = '--port 0 --users memory --lifetime 1000000000 --leeway 86400';
  const server = await serve(`serve ${flags}`, { env: { LATCHKEY_SECRET: SECRET } });
  const { code, stderr } = await stop(server);
  assert.equal(code, 0);
  assert.match(stderr, /^latchkey: --lifetime 1000000000 .*\nlatchkey: --leeway 86400 .*\n$/);
});
