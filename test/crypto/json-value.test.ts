/**
 * What sign accepts as claims and header. A message names the place and the kind of a value that is
 * not JSON, and verify returns an accepted value exactly as it was passed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { AuthError, Jwt, type JwtOptions, type SignOptions } from '../../src/jwt.ts';
import { allSaid, assertVerdict } from '../support/assertions.ts';
import { NOT_JSON } from '../support/hostile.ts';
import { withPolluted } from '../support/spies.ts';
import { MARKER, NOW, SECRET, tokenOf } from '../support/tokens.ts';

const LAST_SECOND = 253_402_300_799;
const jwtWith = (options: Partial<JwtOptions> = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, requiredClaims: [], ...options });
const jwt = jwtWith();
const hidden = (name: string) => Object.defineProperty({}, name, { value: 1 });
const getter = (get: () => unknown) => Object.defineProperty({}, 'x', { get, enumerable: true });
const fail = () => {
  throw new Error(MARKER);
};
const throwing = new Proxy({}, { ownKeys: fail });
const revoked = Proxy.revocable({}, {});
revoked.revoke();

/** Asserts the whole message. A number or a value that is too deep gets a RangeError. */
function assertMessage(use: () => unknown, message: string, kind: Function = TypeError): void {
  assert.throws(use, (error: Error) => {
    assert.equal(error.message, message);
    assert.ok(error instanceof kind, message);
    assert.ok(!(error instanceof AuthError));
    assert.ok(!allSaid(error).includes(MARKER), message);
    return true;
  });
}

/** `depth` objects or arrays, each inside the one before. */
function nested(depth: number, wrap: (inner: unknown) => object): object {
  let value = wrap(1);
  for (let level = 1; level < depth; level += 1) value = wrap(value);
  return value;
}

test('a value that is not JSON is refused at any level, and the message names its place and kind', () => {
  for (const [value, kind] of NOT_JSON) {
    const isNumber = typeof value === 'number';
    const got = `expected ${isNumber ? 'a finite number' : 'a JSON value'}, got ${kind}`;
    const type = isNumber ? RangeError : TypeError;
    const refused: [claims: object, place: string][] = [
      [{ x: value }, 'x'],
      [{ user: { tags: ['a', 'b', value] } }, 'user.tags[2]'],
      [{ user: [{ born: value, other: value }] }, 'user[0].born'],
      [{ constructor: value }, 'constructor'],
      [{ claims: [value] }, 'claims[0]'],
      [
        JSON.parse('{"__proto__":{}}', (name, member) => (name === '__proto__' ? [value] : member)),
        '__proto__[0]',
      ],
    ];
    for (const name of ['exp', 'nbf', 'iat', 'iss', 'sub', 'aud', 'jti']) {
      refused.push([{ [name]: value }, name]);
    }
    for (const [claims, place] of refused) {
      // This also holds for a claim that sign would have written itself.
      for (const judge of [jwt, jwtWith({ issuer: 'us', audience: 'us' })]) {
        assertMessage(() => judge.sign(claims), `"${place}" ${got}`, type);
      }
    }
    assertMessage(() => jwt.sign({}, { header: { x5c: [value] } }), `"header.x5c[0]" ${got}`, type);
    assertMessage(() => jwt.sign({}, { header: { typ: value } }), `"header.typ" ${got}`, type);
  }
});

test('claims and a header that are not a plain object are refused', () => {
  const others: [value: unknown, kind: string][] = NOT_JSON.filter(
    ([value]) => typeof value !== 'number',
  );
  others.push(
    [null, 'null'],
    [true, 'true'],
    [7, '7'],
    [NaN, 'NaN'],
    [[], 'an array'],
    [[{ sub: 'joe' }], 'an array'],
  );
  // An empty text, JSON as text, and a token.
  others.push(['', 'an empty string'], ['{"sub":"joe"}', 'a string'], [tokenOf(), 'a string']);
  for (const [claims, kind] of others) {
    assertMessage(
      () => jwt.sign(claims as object),
      `"claims" expected a plain object, got ${kind}`,
    );
    if (claims === undefined) continue;
    const use = () => jwt.sign({}, { header: claims as never });
    assert.throws(
      use,
      { name: 'TypeError', message: /^"header" expected (a plain|an) object, got / },
      kind,
    );
  }
});

test('claims that JSON would leave out are refused: hidden and symbol members, holes, inherited ones', () => {
  const symbol = 'an object with a hidden or symbol member';
  const holes = 'an array with holes or further members';
  class Tags extends Array<string> {}
  class User {
    id = 7;
  }
  class Null extends (null as unknown as typeof Object) {}
  const rows: [value: unknown, kind: string][] = [
    [{ [Symbol('x')]: 1 }, symbol],
    [{ a: 1, [Symbol.toStringTag]: MARKER }, symbol],
    [hidden('x'), symbol],
    [hidden('toJSON'), symbol],
    [
      (function (..._given: unknown[]) {
        return arguments;
      })(1),
      symbol,
    ],
    [Math, symbol],
    [[, 1], holes],
    [[1, ,], holes],
    [new Array(3), holes],
    [Object.assign([, 1], { x: 1 }), holes],
    [Object.assign([1], { toJSON: () => 'x' }), holes],
    [Object.assign([1], { [Symbol.iterator]: 1 }), holes],
    [/(?<name>x)/.exec('x'), holes],
    [Tags.of('x'), 'an instance of a class'],
    [Object.create({ x: 1 }), 'an instance of a class'],
    [Object.create(Object.create(null)), 'an instance of a class'],
    [new User(), 'an instance of a class'],
    [Object.create(Null.prototype), 'an instance of a class'],
  ];
  for (const [value, kind] of rows) {
    assertMessage(() => jwt.sign({ a: { b: value } }), `"a.b" expected a JSON value, got ${kind}`);
    assertMessage(() => jwt.sign({ a: [value] }), `"a[0]" expected a JSON value, got ${kind}`);
    assert.throws(() => jwt.sign({}, { header: { jwk: value } }), { message: /^"header.jwk" / });
    if (Array.isArray(value)) continue;
    assertMessage(() => jwt.sign(value as object), `"claims" expected a plain object, got ${kind}`);
    assert.throws(() => jwt.sign({}, { header: value as never }), {
      message: /^"header" expected /,
    });
  }
  const twins: unknown[] = [
    { x: 1 },
    [1, 1],
    Object.assign(Object.create(null), { x: 1 }),
    { toJSON: 'x' },
    ['x'],
  ];
  for (const value of twins) {
    const { a } = jwt.verify(jwt.sign({ a: value })) as { a: object };
    assert.equal(JSON.stringify(a), JSON.stringify(value));
  }
});

test('a refused promise or query asks whether an "await" is missing', async () => {
  const query = Object.create({ then: (use: (rows: object) => void) => use({}) });
  for (const promise of [Promise.resolve({ sub: 'joe' }), query]) {
    const got = 'got a promise: is an "await" missing?';
    assertMessage(() => jwt.sign(promise), `"claims" expected a plain object, ${got}`);
    assertMessage(() => jwt.sign({ role: promise }), `"role" expected a JSON value, ${got}`);
  }
  jwt.sign(await query);
});

test('toJSON is never called: it is refused as a function or as a member of a class', () => {
  const asked: unknown[] = [];
  const toJSON = () => asked.push('x');
  class Id {
    toJSON = toJSON;
  }
  class InheritedId {
    toJSON() {
      return toJSON();
    }
  }
  assertMessage(() => jwt.sign({ toJSON }), '"toJSON" expected a JSON value, got a function');
  assertMessage(
    () => jwt.sign({ a: { toJSON } }),
    '"a.toJSON" expected a JSON value, got a function',
  );
  for (const id of [new Id(), new InheritedId()]) {
    assertMessage(
      () => jwt.sign({ identity: id }),
      '"identity" expected a JSON value, got an instance of a class',
    );
  }
  assert.deepEqual(asked, []);
});

test('a toJSON that every object, array, text or number inherits writes nothing into a token', async () => {
  const claims = { a: { b: ['c', 7, true, null] } };
  const expected = jwt.sign(claims);
  for (const prototype of [Object.prototype, Array.prototype]) {
    Object.assign(prototype, { toJSON: () => ({ admin: true }) });
    try {
      for (const use of [() => jwt.sign({}), () => jwt.sign(claims), () => jwtWith()]) {
        assertMessage(use, '"toJSON" expected no inherited member, got one');
      }
    } finally {
      Reflect.deleteProperty(prototype, 'toJSON');
    }
  }
  for (const prototype of [String.prototype, Number.prototype, Boolean.prototype]) {
    Object.assign(prototype, { toJSON: () => ({ admin: true }) });
    try {
      assert.equal(jwt.sign(claims), expected);
    } finally {
      Reflect.deleteProperty(prototype, 'toJSON');
    }
  }
  // Members and elements that every object inherits are not claims.
  await withPolluted({ role: 'admin', 0: 'admin', exp: 9e9 }, () => {
    assert.equal(jwt.sign(claims), expected);
    const holes = 'an array with holes or further members';
    assertMessage(() => jwt.sign({ a: [,] }), `"a" expected a JSON value, got ${holes}`);
  });
});

test('a member is read once: the checked value is the one that is written', () => {
  let reads = 0;
  const turning = (...answers: unknown[]) => getter(() => answers[reads++]);
  for (const [claims, place] of [
    [() => turning('good', () => 1), 'x'],
    [() => ({ a: [turning('good', undefined)] }), 'a'],
    [
      () =>
        new Proxy(
          { x: 1 },
          { get: (_target, name) => (name === 'x' ? ['good', NaN][reads++] : undefined) },
        ),
      'x',
    ],
  ] as const) {
    reads = 0;
    const read = JSON.stringify(jwt.verify(jwt.sign(claims())));
    assert.deepEqual([reads, read.includes('"x":"good"')], [1, true], place);
  }
  reads = 0;
  assert.throws(() => jwt.sign(turning(undefined, 'good')), {
    message: '"x" expected a JSON value, got undefined',
  });
  assert.equal(reads, 1);
  // An aud that changes between two reads.
  reads = 0;
  const aud = Object.defineProperty([], 0, {
    get: () => ['us', 'them'][reads++],
    enumerable: true,
  });
  const judge = jwtWith({ audience: 'us' });
  assert.deepEqual([judge.verify(judge.sign({ aud })).aud, reads], [['us'], 1]);
});

test('an object that cannot be read is refused, without the error of its getter or Proxy', () => {
  const rows = [throwing, revoked.proxy, getter(fail), new Proxy({ x: 1 }, { get: fail })];
  rows.push(
    new Proxy({}, { getPrototypeOf: fail }),
    new Proxy([1], { getOwnPropertyDescriptor: fail }),
  );
  for (const value of rows) {
    const isArray = value !== revoked.proxy && Array.isArray(value);
    assertMessage(
      () => jwt.sign({ a: [value] }),
      '"a[0]" expected a JSON value, got an object that cannot be read',
    );
    if (isArray) continue;
    assertMessage(
      () => jwt.sign(value),
      '"claims" expected a plain object, got an object that cannot be read',
    );
  }
  jwt.sign({ a: [new Proxy({ x: [1] }, {})] });
});

test('claims may nest 100 levels, so an object that contains itself is refused too', () => {
  for (const wrap of [(inner: unknown) => ({ a: inner }), (inner: unknown) => [inner]]) {
    const isArray = Array.isArray(wrap(1));
    const deepest = { a: nested(99, wrap) };
    assert.deepEqual(
      { ...jwt.verify(jwt.sign(deepest)) },
      { iat: NOW, nbf: NOW, exp: NOW + 300, ...deepest },
    );
    for (const depth of [100, 101, 100_000]) {
      const use = () => jwt.sign({ a: nested(depth, wrap) });
      const place = isArray
        ? `a${'[0]'.repeat(99)}`.slice(0, 200)
        : `a${'.a'.repeat(99)}`.slice(0, 200);
      assertMessage(use, `"${place}" expected at most 100 levels, got more or a cycle`, RangeError);
    }
  }
  const [cycle, wide]: [Record<string, unknown>, unknown[]] = [{}, []];
  cycle['a'] = { b: [cycle] };
  wide.push(wide, wide);
  for (const claims of [cycle, { a: wide }]) {
    assert.throws(() => jwt.sign(claims), {
      name: 'RangeError',
      message: /^"a[^"]+" expected at most 100 levels/,
    });
  }
  // The same object twice is not a cycle.
  const shared = { x: 1 };
  assert.deepEqual((jwt.verify(jwt.sign({ a: shared, b: [shared] })) as { b: unknown }).b, [
    shared,
  ]);
});

test('objects without a prototype and of another realm are plain objects', () => {
  const foreign = (code: string): object => runInNewContext(`(${code})`);
  const claims = '{ identity: "joe", roles: ["a", "b"], at: { home: true }, none: [], empty: {} }';
  const bare = Object.assign(Object.create(null), { identity: 'joe', at: Object.create(null) });
  for (const value of [foreign(claims), bare]) {
    const own = JSON.parse(JSON.stringify(value));
    const times = { iat: NOW, nbf: NOW, exp: NOW + 300 };
    assert.deepEqual({ ...jwt.verify(jwt.sign(value)) }, { ...times, ...own });
    assert.deepEqual({ ...jwt.verify(jwt.sign({ value })) }, { ...times, value: own });
    const token = jwt.sign({}, { header: value as SignOptions['header'] });
    assertVerdict(jwt, 'accepted', [token]);
  }
  const rows: [code: string, kind: string][] = [
    ['new Date(0)', 'an object of type Date'],
    ['new Map()', 'an object of type Map'],
    ['Promise.resolve()', 'a promise: is an "await" missing?'],
    ['new (class User {})()', 'an instance of a class'],
    ['new (class Tags extends Array {})()', 'an instance of a class'],
    ['[,1]', 'an array with holes or further members'],
  ];
  for (const [code, kind] of rows) {
    assertMessage(() => jwt.sign({ a: foreign(code) }), `"a" expected a JSON value, got ${kind}`);
  }
});

test('verify returns the claims that were signed: awkward names, lone surrogates, huge numbers', () => {
  const names = [
    '__proto__', 'constructor', 'toJSON', 'then', 'length', '', '0', '\ud800', '\u2028', 'a"b',
    '\0',
  ];
  for (const name of names) {
    for (const value of [
      '\ud800',
      '\udc00x',
      '\u2028\0\ufeff"\\',
      '',
      Number.MAX_VALUE,
      5e-324,
      -1,
      true,
      null,
      [[]],
    ]) {
      for (const claims of [
        { [name]: value },
        { a: { [name]: value } },
        { a: [{ [name]: [value] }] },
      ]) {
        const read: Record<string, unknown> = jwt.verify(jwt.sign(claims)) as Record<
          string,
          unknown
        >;
        const [own = ''] = Object.keys(claims);
        assert.ok(Object.hasOwn(read, own));
        assert.deepEqual(read[own], Object.entries(claims)[0]?.[1], JSON.stringify(claims));
      }
    }
  }
  // -0 equals 0 and is written as 0.
  const { zero } = jwt.verify(jwt.sign({ zero: -0 })) as { zero: number };
  assert.ok(Object.is(zero, 0));
});

test('a message shows at most 200 characters of a claim name, and no control characters', () => {
  const shown: [name: string, place: string][] = [
    ['https://example.com/roles', 'https://example.com/roles'],
    ['\u540d\u524d', '\u540d\u524d'],
    ['a\nb\x1b[31m\u2028\u202e', 'a\ufffdb\ufffd[31m\ufffd\ufffd'],
    ['x'.repeat(201), 'x'.repeat(200)],
  ];
  for (const [name, place] of shown) {
    assertMessage(
      () => jwt.sign({ [name]: undefined }),
      `"${place}" expected a JSON value, got undefined`,
    );
  }
});

test('sign refuses exp, nbf and iat after the year 9999, and the message recognises milliseconds', () => {
  const expected = `expected seconds since 1970, up to ${LAST_SECOND} (the year 9999)`;
  const ms = ', which looks like milliseconds';
  for (const name of ['exp', 'nbf', 'iat']) {
    for (const [value, hint] of [
      [LAST_SECOND + 1, ms],
      [(NOW + 300) * 1000, ms],
      [Date.now(), ms],
      [LAST_SECOND * 1000, ms],
      [LAST_SECOND * 1001, ''],
      [Number.MAX_VALUE, ''],
    ] as const) {
      assertMessage(
        () => jwt.sign({ [name]: value }),
        `"${name}" ${expected}, got ${value}${hint}`,
        RangeError,
      );
    }
    for (const [value, kind] of [
      [null, 'null'],
      ['1h', 'a string'],
      [`${NOW}`, 'a string'],
      [true, 'true'],
    ] as const) {
      assertMessage(() => jwt.sign({ [name]: value }), `"${name}" ${expected}, got ${kind}`);
    }
    assertMessage(() => jwt.sign({ [name]: [NOW] }), `"${name}" ${expected}, got an array`);
    for (const value of [LAST_SECOND, NOW, NOW + 0.5, 0, -1]) jwt.sign({ [name]: value });
  }
  // Times that result from options.
  const rows: [options: Partial<JwtOptions>, name: string][] = [
    [{ lifetimeSeconds: LAST_SECOND }, 'exp'],
    [{ lifetimeSeconds: Number.MAX_VALUE }, 'exp'],
    [{ notBeforeSeconds: LAST_SECOND }, 'nbf'],
  ];
  for (const [options, name] of rows) {
    const use = () => jwtWith(options).sign({});
    assert.throws(use, { name: 'RangeError', message: new RegExp(`^"${name}" expected seconds`) });
  }
  const most = LAST_SECOND - NOW;
  jwt.sign({}, { lifetimeSeconds: most });
  assert.throws(() => jwt.sign({}, { lifetimeSeconds: most + 1 }), {
    name: 'RangeError',
    message: /^"exp" /,
  });
  // verify accepts such times in a token of another issuer.
  assertVerdict(jwt, 'accepted', [
    tokenOf({ exp: Date.now() * 1000 }),
    tokenOf({ exp: 1e300, iat: 1, nbf: -1e300 }),
  ]);
});

test('sign and verify refuse a clock in milliseconds, and the message says so', () => {
  let now = NOW;
  const judge = jwtWith({ now: () => now });
  const token = judge.sign({ jti: 'a' });
  assertVerdict(judge, 'accepted', [token]);
  now *= 1000;
  const expected = `seconds since 1970, up to ${LAST_SECOND} (the year 9999)`;
  const message = `"now" expected ${expected}, got ${now}, which looks like milliseconds`;
  for (const use of [
    () => judge.sign({}),
    () => judge.verify(token),
    () => judge.verify(tokenOf()),
  ]) {
    assertMessage(use, message, RangeError);
  }
  // A token that is refused for its content needs no clock.
  assertVerdict(judge, 'ERR_JWT_SIGNATURE', [`${token.slice(0, -1)}~`, 'x.y.']);
  assertVerdict(judge, 'ERR_JWT_MALFORMED', ['', 7, null]);
  now = LAST_SECOND;
  assertVerdict(judge, 'ERR_JWT_EXPIRED', [token]);
});

test('sign refuses a claim that verify would refuse, and the message names it', () => {
  const rows: [claims: object, name: string][] = [
    [{ sub: null }, 'sub'],
    [{ iss: 7 }, 'iss'],
    [{ jti: [] }, 'jti'],
    [{ aud: null }, 'audience'],
  ];
  for (const [claims, name] of rows) {
    const isNamed = ({ message, cause }: Error) =>
      message.includes(name) && cause instanceof AuthError;
    assert.throws(() => jwt.sign(claims), isNamed, name);
  }
});
