/** Which member of a request a guard may set. test/interop asks Express itself for its members. */
import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { guard } from '../../src/express.ts';
import { authWith } from '../support/guard.ts';

const guardWith = (property: unknown) => Reflect.apply(
  guard,
  undefined,
  [authWith(), { property }],
);

test('a guard sets no member that a request of node:http or Express has', () => {
  const own = Object.getOwnPropertyNames(new IncomingMessage(new Socket()));
  assert.ok(own.includes('complete') && own.includes('httpVersion'));
  const inherited = ['headers', 'constructor', '__proto__', 'on', 'toString', 'aborted'];
  const express = ['query', 'ip', 'protocol', 'body', 'params', 'res', 'next', 'app', 'session'];
  const ofGuard = ['sessionId', '_body', '', 7, null];
  for (const property of [...own, ...inherited, ...express, ...ofGuard]) {
    const expected = { name: 'TypeError', message: /^"property" expected a name/ };
    assert.throws(() => guardWith(property), expected, String(property));
  }
});

test('a guard sets any other member', () => {
  for (const property of ['user', 'account', 'identity', 'sessionOwner', 'User', undefined]) {
    assert.equal(typeof guardWith(property), 'function', property);
  }
});
