/**
 * What `latchkey inspect` says about a text that is not a token: what it probably is, and what to
 * do. Promise: no sentence repeats the text, which may be an API key.
 */
import { tokenMistakeIn, type TokenMistake } from '../../auth/token-mistakes.ts';

/** What people copy together with a token. */
const HEADER_NAME = /^authorization:\s*/i;
const SCHEMES = /^(?:(?:bearer|jwt)(?:\s+|%20|$))+/i;
const QUOTATION_MARKS = /^["'`\u2018-\u201f]+|["'`\u2018-\u201f]+$/g;

const LOGIN_REPLY = 'Take "access_token" out of a reply to a login that has status 200';

/** `mistakeIn` removes quotation marks before it looks for a mistake. */
const ADVICE: Readonly<Record<Exclude<TokenMistake, 'quoted'>, string>> = {
  'empty': `It has no text: the variable is empty or not set. ${LOGIN_REPLY}.`,
  'undefined': `It is the text "undefined", of a missing member. ${LOGIN_REPLY}.`,
  'null': `It is the text "null", of an empty storage. ${LOGIN_REPLY}.`,
  'promise': 'It is the text of a promise: await it, and send what it resolves to.',
  'object': 'It is the text of an object: send its member "access_token".',
  'basic': 'It is Basic authentication: send username and password as JSON to the login.',
  'line break': 'It has a line break in it: copy the token on one line.',
  'separator': 'It has a comma or a semicolon at its end: copy the token alone.',
  'encoded': 'It is URL-encoded: decode it with decodeURIComponent first.',
  'one segment':
    'A text without dots is an opaque token or an API key: ask the service that made it.',
  'two segments': 'It was cut off: copy all three segments, up to the end of the last one.',
  'five segments':
    'Only the service that it was encrypted for can read it: ask for a signed token (JWS).',
  'too many segments': 'A signed token has three segments: copy the token alone.',
};

/** Mistakes that say no more than the number of segments. */
const SEGMENT_MISTAKES: ReadonlySet<TokenMistake> = new Set([
  'one segment',
  'two segments',
  'five segments',
  'too many segments',
]);

/** What is wrong with a text in place of a token. */
export interface TextMistake {
  /** What the text probably is, and what to do. */
  readonly advice: string;
  /** Whether the number of its segments is all that is wrong with it. */
  readonly isSegmentCount: boolean;
}

/** @returns undefined if the text has none of these mistakes */
export function mistakeIn(text: string): TextMistake | undefined {
  const value = text
    .trim()
    .replace(QUOTATION_MARKS, '')
    .replace(HEADER_NAME, '')
    .replace(SCHEMES, '')
    .replace(QUOTATION_MARKS, '');
  const mistake = tokenMistakeIn(value);
  // 'quoted' is impossible here, because the value has no quotation marks at its ends.
  if (mistake === undefined || mistake === 'quoted') return undefined;
  return { advice: ADVICE[mistake], isSegmentCount: SEGMENT_MISTAKES.has(mistake) };
}
