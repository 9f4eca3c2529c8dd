/** A server opens the tables of the rate limits, or counts without them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCounts } from '../../../src/cli/stores/postgres-counts.ts';
import type { PgClient } from '../../../src/index.ts';

const OTHER_DATABASE =
  'to count for all servers, use PostgreSQL, and rename latchkey_limits and ' +
  'latchkey_limits_networks if they have other columns';

/** A client whose database refuses every statement. */
function refusing(code: string): PgClient {
  return {
    query: async () => {
      throw Object.assign(new Error('refused'), { code });
    },
  };
}

test('a server counts in the database if this role may use the tables', async () => {
  const warnings: string[] = [];
  const client = { query: async () => ({ rows: [] }) };
  const counts = await openCounts(client, (_, detail) => warnings.push(detail));
  assert.deepEqual(await counts?.networksOf('key'), []);
  assert.deepEqual(warnings, []);
});

test('a server that cannot count in its database warns, and counts by itself', async () => {
  const remedies = {
    '42501': 'create latchkey_limits and latchkey_limits_networks, and grant this role .* on both',
    '0A000': OTHER_DATABASE,
    '42883': OTHER_DATABASE,
    '42601': OTHER_DATABASE,
  };
  for (const [code, remedy] of Object.entries(remedies)) {
    const logged: string[][] = [];
    const counts = await openCounts(refusing(code), (...line) => logged.push(line.map(String)));
    assert.equal(counts, undefined);
    const [[level, warning = ''] = [], ...others] = logged;
    assert.deepEqual([level, others], ['warning', []]);
    const problem = 'rate limits count for this server alone \\(.*refused\\)';
    assert.match(warning, RegExp(`^--users: ${problem}: ${remedy}$`));
  }
});

test('any other error of the database stops the start', async () => {
  for (const code of ['42703', '42502', '25006', 'ECONNREFUSED']) {
    const opening = openCounts(refusing(code), () => assert.fail('warned'));
    await assert.rejects(opening, { code: 'ERR_STORE', message: /./ });
  }
});
