/** Bad bodies on the routes of sessions and accounts: refused, and nothing has changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySessionStore, MemoryUserStore, Sessions } from '../../src/index.ts';
import { send, withApp } from '../support/app.ts';
import {
  helloStatus,
  logIn,
  OWNER,
  pairIn,
  refresh,
  sendAs,
  signUpOwner,
} from '../support/session-client.ts';

const { password } = OWNER;
const KIB = 1024;
const PATHS = ['/refresh', '/logout', '/sessions/end', '/password', '/account/remove'] as const;

/** A body, and the statuses that it may get on any of these routes. */
const BODIES: readonly (readonly [body: string | Uint8Array, statuses: readonly number[]])[] = [
  ['', [400, 401]],
  ['{', [400]],
  ['{"password":"correct horse"', [400]],
  ['null', [400]],
  ['1e400', [400]],
  ['"correct horse"', [400]],
  ['[]', [400]],
  ['[{"password":"correct horse"}]', [400]],
  ['['.repeat(8000), [400]],
  ['{}', [400, 401]],
  ['{"password":true,"new_password":true,"refresh_token":true}', [400, 401]],
  ['{"password":["correct horse"],"new_password":{},"refresh_token":[]}', [400, 401]],
  ['{"__proto__":{"password":"correct horse","new_password":"another horse"}}', [400, 401]],
  ['{"constructor":{"prototype":{"password":"correct horse"}}}', [400, 401]],
  // Of duplicate members the last one counts.
  [
    '{"password":"correct horse","password":"wrong","new_password":"another horse"}',
    [400, 401],
  ],
  [`{"password":"wrong","pad":"${'x'.repeat(15 * KIB)}"}`, [400, 401]],
  [`{"password":"correct horse","pad":"${'x'.repeat(17 * KIB)}"}`, [413]],
  [Buffer.from('{"password":"correct horse\xff"}', 'latin1'), [400]],
  ['{"password":"correct horse\\ud800","new_password":"\\ud800"}', [400, 401]],
  [`{"password":"${'x'.repeat(10_000)}","new_password":"another horse"}`, [400, 401]],
];

test('a bad body is 400, 401 or 413 on each route, and changes nothing', async () => {
  const [users, store] = [new MemoryUserStore(), new MemorySessionStore()];
  const sessions = new Sessions({ store });
  await withApp({ users, sessions, limits: false }, async ({ url }) => {
    await signUpOwner(url);
    const pair = await logIn(url);
    await helloStatus(url, pair.access_token);
    const before = [users.find('joe'), store.find('joe')];
    for (const path of PATHS) {
      for (const [body, statuses] of BODIES) {
        const token = { Authorization: `Bearer ${pair.access_token}` };
        // A logout takes its token from the header if it has no body.
        const headers: Record<string, string> = path === '/logout' ? {} : token;
        const answer = await send(`${url}${path}`, 'POST', body, headers);
        const what = `${path} ${String(body).slice(0, 70)}: ${answer.status}`;
        assert.ok(statuses.includes(answer.status), what);
        const { status_code: code, error, description } = Object(answer.body);
        assert.deepEqual([code, typeof error, typeof description], [
          answer.status,
          'string',
          'string',
        ]);
      }
      const typed = { 'Content-Type': 'text/plain', Authorization: `Bearer ${pair.access_token}` };
      const other = await send(`${url}${path}`, 'POST', '{"password":"correct horse"}', typed);
      assert.equal(other.status, 415, path);
    }
    assert.deepEqual([users.find('joe'), store.find('joe')], before);
    assert.equal(await helloStatus(url, pair.access_token), 200);
    pairIn(await refresh(url, pair.refresh_token));
  });
});

test('an id that is not a string is 400, so that a mistake does not end all sessions', async () => {
  const sessions = new Sessions({ store: new MemorySessionStore() });
  await withApp({ sessions, limits: false }, async ({ url }) => {
    await signUpOwner(url);
    const [mine, other] = [await logIn(url), await logIn(url)];
    const end = (body: string) => sendAs(mine.access_token, `${url}/sessions/end`, 'POST', body);
    for (const id of ['null', '0', 'true', '[]', '{}', '""', '"__proto__"', '"constructor"']) {
      const { status } = await end(`{"password":"${password}","id":${id}}`);
      assert.equal(status, 400, id);
    }
    assert.equal(await helloStatus(url, other.access_token), 200);
    assert.equal((await end(`{"password":"${password}","__proto__":{"id":1}}`)).status, 200);
    assert.equal(await helloStatus(url, other.access_token), 401);
  });
});

test('duplicate members: the last one counts, and further members are ignored', async () => {
  const sessions = new Sessions({ store: new MemorySessionStore() });
  await withApp({ sessions }, async ({ url }) => {
    await signUpOwner(url);
    const { access_token: token } = await logIn(url);
    const body =
      `{"password":"wrong","password":"${password}","new_password":"another horse","x":1}`;
    assert.equal((await sendAs(token, `${url}/password`, 'POST', body)).status, 200);
  });
});
