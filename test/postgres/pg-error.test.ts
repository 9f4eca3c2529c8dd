/**
 * An error of the store holds the reason that the PostgreSQL client gave, and none of the values
 * that were sent. The client here reveals more than a real one does. The tests with a real database
 * are in test/users/postgres.test.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, PostgresUserStore, type User } from '../../src/index.ts';
import { allSaid } from '../support/assertions.ts';
import { MARKER } from '../support/tokens.ts';

const HASH = `$scrypt$ln=17,r=8,p=1$${MARKER}$${MARKER}`;
const joe: User = {
  id: 'joe',
  username: 'Joe',
  passwordHash: HASH,
  createdAt: '2026-01-02T03:04:05.678Z',
};

/** @returns the cause of the error of an update whose client throws this */
async function causeOf(
  thrown: unknown,
  user: User = joe,
  expectedHash: string = HASH,
): Promise<Error> {
  const users = new PostgresUserStore({ query: () => Promise.reject(thrown) });
  const update = Promise.resolve(users.update(user, expectedHash));
  const refused: unknown = await update.then(
    () => assert.fail('it was answered'),
    (error) => error,
  );
  assert.ok(refused instanceof AuthError && refused.code === 'ERR_STORE');
  assert.ok(refused.cause instanceof Error);
  assert.ok(!allSaid(refused).includes(MARKER), allSaid(refused));
  const allowed = ['stack', 'message', 'name', 'code'];
  const others = Reflect.ownKeys(refused.cause).filter((name) => !allowed.includes(String(name)));
  assert.deepEqual(others, []);
  return refused.cause;
}

/** An error as clients make them: with the row, the statement, its parameters and a cause. */
function errorOf(message: string, members: object = {}): Error {
  const details = {
    detail: `Failing row contains (joe, Joe, ${HASH}, 2026).`,
    where: `PL/pgSQL function check_user(${HASH})`,
    query: `UPDATE users SET password_hash = '${HASH}'`,
    parameters: ['joe', 'Joe', HASH],
    [MARKER]: true,
  };
  return Object.assign(new Error(message, { cause: new Error(HASH) }), details, members);
}

test('an error of the client keeps its name, code and message, and nothing else', async () => {
  const cause = await causeOf(
    errorOf('violates check constraint "long"', { name: 'DatabaseError', code: '23514' }),
  );
  assert.deepEqual(
    [cause.name, cause.message],
    ['DatabaseError', 'violates check constraint "long"'],
  );
  assert.equal(Reflect.get(cause, 'code'), '23514');
  assert.match(String(cause.stack), /pg-error\.[jt]s/, 'the stack is that of the new error');
  const odd = await causeOf(errorOf('a reason', { name: HASH, code: HASH, stack: HASH }));
  assert.deepEqual([odd.name, odd.message, Reflect.has(odd, 'code')], ['Error', 'a reason', false]);
});

/** Messages of a database, and what remains of them. */
const MESSAGES: Readonly<Record<string, string>> = {
  [`invalid input syntax for type integer: "${HASH}"`]:
    'invalid input syntax for type integer: "..."',
  'invalid input syntax for type integer: "joe"': 'invalid input syntax for type integer: "..."',
  'invalid input syntax for type date: "Joe", "2026-01-02T03:04:05.678Z"':
    'invalid input syntax for type date: "...", "..."',
  // A stored value that was not sent, as in the message of a trigger.
  [`was $scrypt$ln=1,r=8,p=1$${MARKER}`]: 'was ...',
  [`(joe,Joe,"scrypt:32768:8:1$${MARKER}$${MARKER}")`]: '(...,...,"...")',
  [`hash${HASH}`]: 'hash...',
  [`HASH $SCRYPT$${MARKER}`]: 'HASH ...',
  // Text that only resembles a value stays.
  'relation "joes" does not exist, Joel': 'relation "joes" does not exist, Joel',
  'permission denied for table latchkey_users': 'permission denied for table latchkey_users',
  '': 'the client threw an error without a message',
};

test('a message holds neither a value that was sent nor a hash that was stored', async () => {
  for (const [message, redacted] of Object.entries(MESSAGES)) {
    assert.equal((await causeOf(errorOf(message))).message, redacted);
  }
});

test('no value leaves a part of another one behind', async () => {
  const names = [
    'e',
    '$',
    '"',
    '.',
    '...',
    'scrypt',
    '$scrypt$ln',
    'ln=17,r=8,p=1',
    HASH.slice(0, -4),
    `${HASH}x`,
  ];
  for (const id of names) {
    for (const odd of [HASH, `${HASH}'(${MARKER}`, `$2b$10$${MARKER}`, MARKER]) {
      const message = `invalid "${id}": "${odd}", was "${HASH}"`;
      const user = { ...joe, id, passwordHash: odd };
      const { message: redacted } = await causeOf(errorOf(message), user);
      assert.match(redacted, id === '"' ? /^invalid .*was/ : /^invalid ".*was "\.\.\."$/);
    }
  }
  const short = await causeOf(errorOf('permission denied: "e"'), {
    ...joe,
    id: 'e',
    username: 'é',
  });
  assert.equal(short.message, 'permission denied: "..."');
});

test('messages for several addresses are joined, and thrown values are dropped', async () => {
  const refused = ['::1', '127.0.0.1'].map(
    (host) => new Error(`connect ECONNREFUSED ${host}:5432`),
  );
  const all = await causeOf(Object.assign(new AggregateError(refused), { code: 'ECONNREFUSED' }));
  assert.equal(all.message, 'connect ECONNREFUSED ::1:5432, connect ECONNREFUSED 127.0.0.1:5432');
  assert.deepEqual([all.name, Reflect.get(all, 'code')], ['AggregateError', 'ECONNREFUSED']);
  for (const thrown of [undefined, null, HASH, 7, [HASH], { hash: HASH }, { message: { HASH } }]) {
    assert.equal((await causeOf(thrown)).message, 'the client threw a value that is not an Error');
  }
});
