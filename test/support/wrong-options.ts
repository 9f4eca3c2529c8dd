/** Options of JwtAuth with values that they must not have, for JwtAuth and for createApp. */
import assert from 'node:assert/strict';
import { NOT_AMOUNTS, NOT_FUNCTIONS, NOT_OPTIONS, NOT_TEXTS } from './hostile.ts';
import { SECRET } from './tokens.ts';

export type WrongOptions = readonly (readonly [names: string, values: readonly unknown[]])[];

const NOT_AUDIENCES = [...NOT_TEXTS.filter((value) => !Array.isArray(value)), ['']];
const NOT_LISTS = [...NOT_AUDIENCES, 'JWT', ['JWT', ''], ['JWT', 1], { length: 1, 0: 'JWT' }];
const NOT_SCHEMES = ['J WT', 'JWT\r\nX: 1', 'JWT,', '"JWT"', 'J\u00dcT', 'JWT=', 'JWT\0'];
const CONTROLS_AND_UNICODE = [
  'a\rb',
  'a\nb',
  'a\r\nX: 1',
  'a\n',
  '\0',
  '\x7f',
  'a\tb',
  'caf\u00e9',
];
export const NOT_REALMS: readonly unknown[] = [...NOT_TEXTS, ...CONTROLS_AND_UNICODE];

export const WRONG_OPTIONS: WrongOptions = [
  ['claims header encode decode tokenFrom loginReply errorReply now', NOT_FUNCTIONS],
  ['usernameField passwordField identityClaim issuer type', NOT_TEXTS],
  ['lifetimeSeconds notBeforeSeconds leewaySeconds maxAgeSeconds', NOT_AMOUNTS],
  ['realm', NOT_REALMS],
  ['schemes', [...NOT_LISTS, [], [, 'JWT'], ...NOT_SCHEMES.map((scheme) => ['JWT', scheme])]],
  ['requiredClaims', NOT_LISTS],
  ['audience', [...NOT_AUDIENCES, []]],
  ['maxTokenLength cacheSize', [...NOT_AMOUNTS, 1.5]],
  ['secret', [undefined, null, '', 'x'.repeat(31), 0, {}, [], [SECRET, '']]],
  ['Realm scheme algorithm verify __proto__ constructor', [true]],
];

/** A wrong option throws an error that names it. */
export function assertNamed(make: () => unknown, name: string): void {
  assert.throws(make, { message: new RegExp(`^"${name}" expected .+, got .+$`, 's') }, name);
}

/** `make` refuses each wrong option of the table beside `base`, and takes `base` alone. */
export function assertRefusesOptions(
  make: (options: never) => unknown,
  base: object,
  table: WrongOptions,
): void {
  for (const [names, values] of table) {
    for (const name of names.split(' ')) {
      for (const value of values) {
        // Not by a literal, which would set the prototype for the name __proto__.
        const options = Object.defineProperty({ ...base }, name, { value, enumerable: true });
        assertNamed(() => make(options as never), name);
      }
    }
  }
  for (const options of [undefined, ...NOT_OPTIONS]) {
    assertNamed(() => make(options as never), 'options');
  }
  make(base as never);
}
