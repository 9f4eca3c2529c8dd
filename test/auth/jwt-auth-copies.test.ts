/** The guard, where hooks and handlers use another copy of this package or another realm. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError } from '../../src/index.ts';
import { fromOtherRealm, OtherAuthError, withGlobal } from '../support/copies.ts';
import {
  authWith,
  CHALLENGES,
  challengesOf,
  JOE,
  refusal,
  request,
  TOKEN,
} from '../support/guard.ts';

const good = request({ authorization: `JWT ${TOKEN}` });

test('what another copy made: the guard completes its AuthError, thrown or rejected', async () => {
  for (const Kind of [AuthError, OtherAuthError]) {
    const refuse = () => {
      throw new Kind('ERR_IDENTITY_UNKNOWN');
    };
    for (const identity of [refuse, async () => refuse()]) {
      const auth = authWith({ identity, errorReply: () => 'a body' });
      const refused = auth.required(() => 'passed');
      assert.match(String(await challengesOf(refused(good))), /^JWT realm=.+, error_description=/);
      await assert.rejects(async () => refused(good), {
        ...refusal('ERR_IDENTITY_UNKNOWN'),
        body: 'a body',
      });
    }
    const replacing = authWith({
      errorReply: () => {
        throw new Kind('ERR_BUSY', { body: 'another body' });
      },
    });
    await assert.rejects(async () => replacing.required(() => 'passed')(request()), {
      ...refusal('ERR_BUSY'),
      body: 'another body',
    });
  }
});

test('what another realm made: promises of hooks and handlers are awaited', async () => {
  const identity = () => fromOtherRealm<Promise<unknown>>('Promise.resolve({ id: "joe" })');
  const passes = authWith({ identity }).required((_request, user) => user);
  assert.deepEqual({ ...((await passes(good)) as object) }, { id: 'joe' });
  const noUser = () => fromOtherRealm<Promise<undefined>>('Promise.resolve()');
  const none = authWith({ identity: noUser });
  await assert.rejects(
    async () => none.required(() => 'passed')(good),
    refusal('ERR_IDENTITY_UNKNOWN'),
  );
});

test('another global Promise, as of a polyfill: a refusal is completed all the same', async () => {
  class Polyfill extends Promise<unknown> {}
  await withGlobal('Promise', Polyfill, async () => {
    const auth = authWith({ tokenFrom: async ({ header }) => header('x-token') });
    const guarded = auth.required((_request, user) => user);
    assert.deepEqual(await challengesOf(guarded(request())), CHALLENGES);
    assert.equal(await guarded(request({ 'x-token': TOKEN })), JOE);
  });
});
