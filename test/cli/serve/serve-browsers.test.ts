/** What `latchkey serve` does for browsers: the page of `--page`, and the origins of `--cors`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

const SERVE = 'serve --port 0 --users memory';
const where = { env: { LATCHKEY_SECRET: SECRET } };

describe('latchkey serve', { concurrency: 2, timeout: 60_000 }, () => {
  it('serves the page at / with --page on alone', async () => {
    for (const [flags, status] of [['--page on', 200], ['', 404]] as const) {
      const server = await serve(`${SERVE} ${flags}`, where);
      assert.equal((await fetch(`${server.url}/`)).status, status);
      await stop(server);
    }
  });

  it('lets scripts of the origins of --cors read its replies, and no others', async () => {
    const [app, local, other] = [
      'https://app.example',
      'http://localhost:5173',
      'http://localhost',
    ];
    const server = await serve(`${SERVE} --cors ${app},${local}`, where);
    for (const [origin, allowed] of [[app, app], [local, local], [other, null]] as const) {
      const { status, headers } = await fetch(`${server.url}/hello`, { headers: { origin } });
      const found = headers.get('access-control-allow-origin');
      assert.deepEqual([status, found], [401, allowed]);
    }
    await stop(server);
  });
});
