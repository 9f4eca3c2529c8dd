/** The reader of headers: of node:http, of adapters and mocks, and of the Web standard. */
import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { hasHeaders, headerOf } from '../src/request-headers.ts';

const KIND = "a request object that is not Node's own";
const VALUE = 'JWT a';

type Message = Parameters<typeof headerOf>[0];
/** What objects without types look like. */
const messageOf = (members: object): Message => members;

/** Objects with one Authorization header. */
const SINGLE: Readonly<Record<string, object>> = {
  'as of node:http': { rawHeaders: ['Authorization', VALUE], headers: { authorization: VALUE } },
  'no rawHeaders': { headers: { authorization: VALUE } },
  'null for rawHeaders': { rawHeaders: null, headers: { authorization: VALUE } },
  'empty rawHeaders': { rawHeaders: [], headers: { authorization: VALUE } },
  'no headers': { rawHeaders: ['aUTHORIZATION', VALUE] },
  'null for headers': { rawHeaders: ['Authorization', VALUE], headers: null },
  'empty headers': { rawHeaders: ['Authorization', VALUE], headers: {} },
  'a name in capitals': { headers: { AUTHORIZATION: VALUE } },
  'a name in capitals beside rawHeaders': {
    rawHeaders: ['Authorization', VALUE],
    headers: { Authorization: VALUE },
  },
  'a list': { headers: { authorization: [VALUE] } },
  'a list beside an absent one': { headers: { Authorization: undefined, authorization: [VALUE] } },
  'Headers of the Web standard': { headers: new Headers({ Authorization: VALUE }) },
  'a Request of the Web standard': new Request('http://x/', { headers: { Authorization: VALUE } }),
  'an object with get alone': {
    headers: { get: (name: string) => (name === 'authorization' ? VALUE : null) },
  },
  'a Map': { headers: new Map([['Authorization', VALUE]]) },
  'lists of an event of API Gateway': { multiValueHeaders: { Authorization: [VALUE] } },
  'headers without a prototype': {
    headers: Object.assign(Object.create(null), { authorization: VALUE }),
  },
};

test(`${KIND}: its headers are read in any form, ignoring letter case`, () => {
  for (const [what, message] of Object.entries(SINGLE)) {
    for (const name of ['authorization', 'Authorization', 'AUTHORIZATION']) {
      assert.equal(headerOf(messageOf(message), name), VALUE, `${what}, ${name}`);
    }
    for (const absent of ['authorizatio', 'x-authorization', 'get', 'constructor', '__proto__']) {
      assert.equal(headerOf(messageOf(message), absent), undefined, `${what}, ${absent}`);
    }
    assert.equal(hasHeaders(message), true, what);
  }
});

/** Objects with two Authorization headers. node:http keeps the first in `headers`. */
const REPEATED: Readonly<Record<string, object>> = {
  'as of node:http': {
    rawHeaders: ['Authorization', VALUE, 'Host', 'authorization', 'authorization', 'JWT b'],
    headers: { authorization: VALUE },
  },
  'rawHeaders alone': { rawHeaders: ['authorization', VALUE, 'AUTHORIZATION', 'JWT b'] },
  'a list': { headers: { authorization: [VALUE, 'JWT b'] } },
  'two spellings': { headers: { authorization: VALUE, Authorization: 'JWT b' } },
  'Headers of the Web standard': {
    headers: new Headers([['authorization', VALUE], ['authorization', 'JWT b']]),
  },
  'an event of API Gateway': {
    headers: { Authorization: 'JWT b' },
    multiValueHeaders: { Authorization: [VALUE, 'JWT b'] },
  },
  ...Object.fromEntries(['raw', 'req'].map((member) => [`the message in ${member}`, {
    headers: { authorization: VALUE },
    [member]: { rawHeaders: ['authorization', VALUE, 'authorization', 'JWT b'] },
  }])),
  'the message in raw.req': {
    headers: { authorization: VALUE },
    raw: { req: { rawHeaders: ['authorization', VALUE, 'authorization', 'JWT b'] } },
  },
};

test(`${KIND}: values of a repeated header are joined, wherever they are`, () => {
  for (const [what, message] of Object.entries(REPEATED)) {
    assert.equal(headerOf(messageOf(message), 'Authorization'), `${VALUE}, JWT b`, what);
  }
  // RFC 9113 §8.2.3: HTTP/2 may split a Cookie.
  const cookies = { rawHeaders: ['cookie', 'a=1', 'cookie', 'b=2'], headers: { cookie: 'a=1' } };
  assert.equal(headerOf(cookies, 'Cookie'), 'a=1; b=2');
  assert.equal(headerOf({ headers: { Cookie: ['a=1', 'b=2'] } }, 'cookie'), 'a=1; b=2');
});

test('what an earlier middleware wrote into headers counts, unless a header was repeated', () => {
  const rawHeaders = ['Host', 'x', 'Authorization', VALUE];
  const host = 'x';
  const added = { rawHeaders, headers: { host, authorization: VALUE, 'x-new': '1' } };
  assert.equal(headerOf(added, 'X-New'), '1');
  const changed = { rawHeaders, headers: { host, authorization: 'new' } };
  assert.equal(headerOf(changed, 'authorization'), 'new');
  assert.equal(headerOf(changed, 'x-new'), undefined);
  assert.equal(headerOf({ rawHeaders, headers: { host } }, 'authorization'), undefined);
  const twice = { rawHeaders: [...rawHeaders, 'Authorization', 'JWT b'], headers: changed.headers };
  assert.equal(headerOf(twice, 'authorization'), `${VALUE}, JWT b`);
  // HTTP/1.0 needs no Host, so this was the only header.
  const message = new IncomingMessage(new Socket());
  message.rawHeaders = ['Authorization', VALUE];
  message.headers.authorization = VALUE;
  assert.equal(headerOf(message, 'authorization'), VALUE);
  delete message.headers.authorization;
  assert.equal(headerOf(message, 'authorization'), undefined);
});

test(`${KIND}: its own headers count, whatever other members it has`, () => {
  const other = { headers: { authorization: 'JWT b' }, rawHeaders: ['Authorization', 'JWT b'] };
  const members = { message: other, raw: other, req: other };
  const own = { headers: { authorization: VALUE } };
  const request = new Request('http://x/', own);
  for (const message of [{ ...own, message: other }, { ...own, ...members, rawHeaders: [] }]) {
    assert.equal(headerOf(message, 'authorization'), VALUE);
  }
  assert.equal(headerOf(Object.assign(request, members), 'authorization'), VALUE);
  request.headers.delete('Authorization');
  assert.equal(headerOf(request, 'authorization'), undefined);
});

test(`${KIND}: headers that were not awaited are a mistake`, () => {
  const expected = '"headers" expected an object, got a promise: is an "await" missing?';
  const headers = Promise.resolve(new Headers());
  assert.throws(() => headerOf({ headers }, 'authorization'), new TypeError(expected));
});

test(`${KIND}: a value that is not text is text or absent`, () => {
  const valueOf = (value: unknown) => headerOf(messageOf({ headers: { 'x-a': value } }), 'X-A');
  assert.equal(valueOf(''), '');
  assert.equal(valueOf(12), '12');
  assert.equal(valueOf([12, '13']), '12, 13');
  for (const none of [undefined, null, true, {}, [], [null], () => VALUE, Symbol('a')]) {
    assert.equal(valueOf(none), undefined, typeof none);
  }
});

test(`${KIND}: an object without headers has none`, () => {
  for (const message of [{}, { headers: 'x' }, { headers: 1, rawHeaders: undefined }]) {
    assert.equal(headerOf(messageOf(message), 'host'), undefined);
    assert.equal(hasHeaders(message), false);
  }
  for (const value of [undefined, null, 'headers', 1, [], () => 1]) {
    assert.equal(hasHeaders(value), false);
  }
});
