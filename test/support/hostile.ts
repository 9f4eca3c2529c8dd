/**
 * Values that careless checks let through: one table for every test of input. Strings are written
 * with escapes, so that no editor changes them and no reader overlooks them.
 */

/** None of these is a string. */
export const NOT_STRINGS: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  NaN,
  Infinity,
  1n,
  Symbol('joe'),
  [],
  ['joe'],
  {},
  { toString: () => 'joe' },
  new String('joe'),
  new Date(0),
  () => 'joe',
];

class Account {
  readonly id = 7;
}

/** None of these is a JSON value. `kind` is what an error message calls it. */
export const NOT_JSON: readonly [value: unknown, kind: string][] = [
  [undefined, 'undefined'],
  [NaN, 'NaN'],
  [Infinity, 'Infinity'],
  [-Infinity, '-Infinity'],
  [1n, 'a bigint'],
  [Symbol('joe'), 'a symbol'],
  [() => 'joe', 'a function'],
  [Account, 'a function'],
  [new Date(0), 'an object of type Date'],
  [new Date(NaN), 'an object of type Date'],
  [new Map([['joe', 1]]), 'an object of type Map'],
  [new Set(['joe']), 'an object of type Set'],
  [/joe/, 'an object of type RegExp'],
  [new Error('joe'), 'an object of type Error'],
  [new String('joe'), 'an object of type String'],
  [new Number(7), 'an object of type Number'],
  [new Boolean(false), 'an object of type Boolean'],
  [Object(7n), 'an instance of a class'],
  [Buffer.from('joe'), 'an object of type Uint8Array'],
  [new Uint8Array(3), 'an object of type Uint8Array'],
  [new BigInt64Array(1), 'an instance of a class'],
  [new ArrayBuffer(3), 'an object of type ArrayBuffer'],
  [Promise.resolve('joe'), 'a promise: is an "await" missing?'],
  [new WeakMap(), 'an instance of a class'],
  [new URL('http://joe'), 'an instance of a class'],
  [new Account(), 'an instance of a class'],
];

/** For an optional string option: none of these is a string, and undefined is not among them. */
export const NOT_TEXTS: readonly unknown[] = [
  '',
  /x/,
  ...NOT_STRINGS.filter((value) => value !== undefined),
];

/** None of these is a function. */
export const NOT_FUNCTIONS: readonly unknown[] = [
  'now',
  ...NOT_TEXTS.filter((value) => typeof value !== 'function'),
];

/** None of these is an object of options. */
export const NOT_OPTIONS: readonly unknown[] = [null, '', 'secret', 0, 1, true, [], [1], () => 1];

/** None of these is a finite number of at least 0. */
export const NOT_AMOUNTS: readonly unknown[] = [
  null,
  NaN,
  Infinity,
  -Infinity,
  -1,
  -0.001,
  '',
  '60',
  '60s',
  true,
  false,
  1n,
  [],
  [60],
  {},
  { valueOf: () => 60 },
  new Date(60),
  () => 60,
];

/** Names that every object inherits. In a literal, `__proto__` would set the prototype. */
export const INHERITED_NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'valueOf',
];

/** None of these is a valid username. */
export const NOT_USERNAMES: readonly string[] = [
  '',
  ' ',
  ' \t\n\v\f\r ',
  'jo e',
  'joe\0',
  'jo\ne',
  'jo\te',
  '\u00a0joe', // only white space of ASCII is trimmed
  'joe\u3000',
  'joe\u2003',
  'joe\u0085',
  'jo\u00a0e', // no-break space
  'jo\u3000e', // ideographic space, which NFKC makes a plain one
  'jo\u200be', // zero-width space
  'jo\u200de', // zero-width joiner
  'jo\u00ade', // soft hyphen
  'jo\ufeffe', // byte order mark
  'jo\u202ee', // right-to-left override
  'jo\u2028e', // line separator
  'jo\ud800e', // a lone high surrogate
  'jo\udc00e', // a lone low surrogate
  'jo\ue000e', // private use
  'jo\uffffe', // not a character
  '\u{1f511}', // emoji
  '\u115f\u1160', // letters that are invisible
  'x'.repeat(81),
  'x'.repeat(10_000),
  '\ufdfa'.repeat(10), // one character that NFKC makes eighteen
];

/** Spellings of one and the same username. */
export const ONE_USERNAME: readonly string[] = [
  '\u00e9milie', // é as one character
  'e\u0301milie', // e and a combining accent
  '\u00c9MILIE',
  'E\u0301milie',
  '\u00e9\uff4dilie', // a full-width m
];

const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
const fail = (): never => {
  throw new Error('a trap');
};

/** Proxies that throw when they are used. */
export const UNREADABLE: readonly object[] = [
  revoked,
  new Proxy({}, { get: fail, has: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail }),
  new Proxy(new Error(), { getPrototypeOf: fail }),
];
