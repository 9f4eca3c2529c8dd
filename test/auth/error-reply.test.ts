/** The hook `errorReply`, as logins, guards and signups call it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withErrorReply } from '../../src/auth/error-reply.ts';
import { AuthError } from '../../src/index.ts';

const CAUSE = new Error('why');
const REFUSAL = new AuthError('ERR_THROTTLED', {
  status: 503,
  error: 'Busy',
  description: 'Later',
  headers: { 'Retry-After': '9' },
  cause: CAUSE,
  detail: 'the detail',
});
const membersOf = ({ code, status, error, description, headers, cause, detail }: AuthError) =>
  ({ code, status, error, description, headers, cause, detail });

test('the hook errorReply changes the body alone, and not the AuthError that it gets', async () => {
  const before = REFUSAL.body;
  for (const reply of ['no', Promise.resolve('no')]) {
    const sent = await withErrorReply(REFUSAL, () => reply);
    assert.equal(sent.body, 'no');
    assert.deepEqual(membersOf(sent), membersOf(REFUSAL));
  }
  assert.deepEqual(REFUSAL.body, before);
});

test('an AuthError that the hook errorReply throws replaces the refusal; any other error passes', async () => {
  const thrown = new AuthError('ERR_NOT_FOUND', { body: 'own', headers: { 'X-A': 'a' } });
  const throwing = (error: Error) => () => Promise.reject(error);
  const headersOf = ({ headers }: AuthError) => ({ ...headers, 'X-B': 'b' });
  const sent = await withErrorReply(REFUSAL, throwing(thrown), headersOf);
  assert.deepEqual([sent.code, sent.body], ['ERR_NOT_FOUND', 'own']);
  assert.deepEqual(sent.headers, { 'X-A': 'a', 'Error-Code': 'ERR_NOT_FOUND', 'X-B': 'b' });
  assert.deepEqual(thrown.headers, { 'X-A': 'a', 'Error-Code': 'ERR_NOT_FOUND' });
  await assert.rejects(withErrorReply(REFUSAL, throwing(CAUSE)), CAUSE);
});
