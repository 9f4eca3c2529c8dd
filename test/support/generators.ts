/** Random texts, claims and password hashes, made from random numbers that a seed reproduces. */
import { base64 } from './tokens.ts';

/** Numbers from 0 up to 1. */
export type Random = () => number;

export const below = (random: Random, limit: number): number => Math.floor(random() * limit);
export const pick = <T>(random: Random, from: ArrayLike<T>): T =>
  from[below(random, from.length)] as T;

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const ALPHABETS = [
  'abc0 ',
  BASE64URL,
  '.',
  '=+/$,:{}[]"\\',
  '\0\t\n\r\x7f\u00a0\u200b\u2028\ufeff\ufffd',
  '\u00e9e\u0301\u00df\u0130\u4e2d\uac00',
  '\ud83d\udd11\ud800\udfff', // halves of surrogate pairs: some meet, some do not
];

/** Text of up to `max` UTF-16 code units, lone surrogates among them. */
export function randomText(random: Random, max = 24): string {
  const alphabets = [pick(random, ALPHABETS), pick(random, ALPHABETS)];
  return Array.from({ length: below(random, max + 1) }, () =>
    pick(random, pick(random, alphabets)),
  ).join('');
}

/** A value that survives JSON.stringify and JSON.parse unchanged. */
function randomJson(random: Random, depth = 3): unknown {
  const kind = below(random, depth > 0 ? 8 : 6);
  if (kind === 0) return null;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return below(random, 2 ** 31);
  if (kind === 3) return (random() - 0.5) * 10 ** (below(random, 600) - 300);
  if (kind < 6) return randomText(random);
  const items = Array.from({ length: below(random, 4) }, () => randomJson(random, depth - 1));
  if (kind === 6) return items;
  return Object.fromEntries(items.map((item) => [randomName(random), item]));
}

/** Claims of an application, awkward names among them. */
export function randomClaims(random: Random): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: below(random, 5) }, () => [randomName(random), randomJson(random)]),
  );
}

/**
 * The JSON.parse of Node 24 and 26 may read a name with an escape as another name, which holds a
 * backslash (nodejs/node#63785). verify answers what JSON.parse answers, so such names are made
 * only on a Node that reads them correctly.
 */
JSON.parse('{"h":[],"\\\\":0}');
const readsEscapedNames = Object.keys(JSON.parse('{"h":1,"\\"":2}') as object).includes('"');

function randomName(random: Random): string {
  if (random() < 0.2) return pick(random, ['__proto__', 'constructor', 'toString', '', '0']);
  const name = `x${randomText(random, 8)}`;
  return readsEscapedNames || !JSON.stringify(name).includes('\\') ? name : 'x';
}

/**
 * The text with one bit of one character flipped, or with one character replaced, added, left out
 * or doubled. Never the same text.
 */
export function damaged(random: Random, text: string): string {
  const at = below(random, text.length + 1);
  const [before, after] = [text.slice(0, at), text.slice(at + 1)];
  const flipped = String.fromCharCode(text.charCodeAt(at) ^ (1 << below(random, 8)));
  const other = pick(random, pick(random, ALPHABETS));
  const ways = [
    before + flipped + after,
    before + other + after,
    before + other + text.slice(at),
    before + after,
  ];
  ways.push(before + text.slice(at, at + 1) + text.slice(at));
  const different = ways.filter((way) => way !== text);
  return pick(random, different);
}

/** A stored hash within the cost limits, in our form or in that of Werkzeug. */
export function randomHash(random: Random): string {
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(random, 256));
  const [logN, r, p] = [1 + below(random, 15), 1 + below(random, 32), 1 + below(random, 16)];
  if (random() < 0.4) {
    const salt = Array.from({ length: 1 + below(random, 64) }, () =>
      pick(random, BASE64URL.slice(0, 62)),
    ).join('');
    return `scrypt:${2 ** logN}:${r}:${p}$${salt}$${Buffer.from(bytes(64)).toString('hex')}`;
  }
  const [salt, key] = [bytes(1 + below(random, 64)), bytes(16 + below(random, 49))].map((part) =>
    base64(part),
  );
  return `$scrypt$ln=${logN},r=${r},p=${p}$${salt}$${key}`;
}
