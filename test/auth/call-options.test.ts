/** The options of single calls of JwtAuth: those of `issue` and `issueReply`, and of `required`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeUnverified, type GuardOptions, type IssueOptions } from '../../src/index.ts';
import { authWith, challengesOf, JOE, request } from '../support/guard.ts';
import { sessionSetup } from '../support/session-guard.ts';

test('a JwtAuth tells whether it has sessions', () => {
  assert.equal(sessionSetup().auth.hasSessions, true);
  assert.equal(authWith().hasSessions, false);
});

test('tokens are issued with a refresh token or without, and other options are refused', async () => {
  const { auth } = sessionSetup();
  const plain: IssueOptions = { refresh: false };
  for (const [options, hasRefresh] of [[{}, true], [plain, false]] as const) {
    const issued = await auth.issue(JOE, undefined, options);
    assert.equal('refresh_token' in issued, hasRefresh);
    assert.ok(Object.hasOwn(decodeUnverified(issued.access_token).claims, 'sid'));
  }
  for (const method of ['issue', 'issueReply'] as const) {
    await assert.rejects(auth[method](JOE, undefined, { refresh: 1 as never }), TypeError);
    await assert.rejects(auth[method](JOE, undefined, { realm: 'x' } as never), TypeError);
  }
});

test('a route has a realm of its own, and other options are refused', async () => {
  const auth = authWith({ schemes: ['Bearer'] });
  const own: GuardOptions = { realm: 'Bank' };
  assert.deepEqual(
    await challengesOf(auth.required(() => 1, own)(request())),
    ['Bearer realm="Bank"'],
  );
  assert.throws(() => auth.required(() => 1, { realm: 'a\nb' }), TypeError);
  assert.throws(() => auth.required(() => 1, { refresh: true } as never), TypeError);
});
