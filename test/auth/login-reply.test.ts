/** The replies to a login, with and without a refresh token, and with the hook `loginReply`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultReplyOf, replyOf, type IssuedTokens } from '../../src/auth/login-reply.ts';

const PAIR: IssuedTokens = { accessToken: 'a', refreshToken: 'r', expiresInSeconds: 300 };

test('a reply has an access token, and the other members with a refresh token alone', () => {
  assert.deepEqual(defaultReplyOf({ accessToken: 'a' }), { access_token: 'a' });
  const plain = { ...PAIR, refreshToken: undefined };
  assert.deepEqual(defaultReplyOf(plain), { access_token: 'a' });
  assert.deepEqual(defaultReplyOf(PAIR), {
    access_token: 'a',
    refresh_token: 'r',
    token_type: 'Bearer',
    expires_in: 300,
  });
});

test('the hook loginReply makes the reply of the tokens and the identity', async () => {
  const hook = (...args: unknown[]) => args;
  assert.deepEqual(await replyOf(PAIR, 'joe', hook), ['a', 'joe', 'r']);
  assert.deepEqual(await replyOf({ accessToken: 'a' }, 'joe', hook), ['a', 'joe', undefined]);
  assert.deepEqual(await replyOf(PAIR, 'joe', undefined), defaultReplyOf(PAIR));
});
