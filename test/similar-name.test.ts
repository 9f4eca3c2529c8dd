/** Which known name is suggested for one that does not exist. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SERVE_FLAGS } from '../src/cli/serve/flags.ts';
import { mostSimilar } from '../src/similar-name.ts';

const NAMES = Object.values(SERVE_FLAGS).map(({ name }) => name);

test('errors that name the right culprit: the name that was probably meant', () => {
  const MEANT: Readonly<Record<string, string | undefined>> = {
    '--prot': '--port',
    '--prt': '--port',
    '-port': '--port',
    '---port': '--port',
    '--Port': '--port',
    '--lifetme': '--lifetime',
    '--trustproxy': '--trust-proxy',
    '--trust_proxy': '--trust-proxy',
    '--scrypt': '--scrypt-cost',
    '--min-password': '--min-password-length',
    '--user': '--users',
    '--tls': undefined,
    '--p': undefined,
    '-p': undefined,
    '--': undefined,
    [`--port${'x'.repeat(1_000_000)}`]: undefined,
  };
  for (const [name, meant] of Object.entries(MEANT)) {
    assert.equal(mostSimilar(name, NAMES), meant, name.slice(0, 40));
  }
  assert.equal(mostSimilar('user', ['secret', 'users', 'uses']), 'users');
  assert.equal(mostSimilar('nope', ['secret', 'now', 'users']), undefined);
  assert.equal(mostSimilar('min_password_lenght', ['minPasswordLength']), 'minPasswordLength');
  for (const name of NAMES) assert.equal(mostSimilar(name, NAMES), name);
});
