/**
 * What `latchkey inspect` says about a text that is not a token: what it probably is, and what to
 * do. Promise: no sentence repeats the text, which may be an API key.
 */

/** What people copy together with a token. */
const HEADER_NAME = /^authorization:\s*/i;
const SCHEMES = /^(?:(?:bearer|jwt)(?:\s+|%20|$))+/i;
const QUOTATION_MARKS = /^["'`\u2018-\u201f]+|["'`\u2018-\u201f]+$/g;

const LOGIN_REPLY = 'Take "access_token" out of a reply to a login that has status 200';

/** Texts that are not tokens. The first one that matches counts. */
const MISTAKES: readonly (readonly [form: RegExp, advice: string])[] = [
  [/^$/, `It has no text: the variable is empty or not set. ${LOGIN_REPLY}.`],
  [/^undefined$/, `It is the text "undefined", of a missing member. ${LOGIN_REPLY}.`],
  [/^null$/, `It is the text "null", of an empty storage. ${LOGIN_REPLY}.`],
  [/^\[object Promise\]$/, 'It is the text of a promise: await it, and send what it resolves to.'],
  [/^\[object\b/, 'It is the text of an object: send its member "access_token".'],
  [/^basic\s/i, 'It is Basic authentication: send username and password as JSON to the login.'],
  [/^[\w-]+(?:%2e[\w-]*)+$/i, 'It is URL-encoded: decode it with decodeURIComponent first.'],
];

/** What to do about a text of so many segments that has none of these mistakes. */
export const SEGMENT_ADVICE: ReadonlyMap<number, string> = new Map([
  [1, 'A text without dots is an opaque token or an API key: ask the service that made it.'],
  [2, 'It was cut off: copy all three segments, up to the end of the last one.'],
  [5, 'Only the service that it was encrypted for can read it: ask for a signed token (JWS).'],
]);

/** @returns what a text is in place of a token, and what to do; undefined for any other text */
export function mistakeIn(text: string): string | undefined {
  const value = text
    .trim()
    .replace(QUOTATION_MARKS, '')
    .replace(HEADER_NAME, '')
    .replace(SCHEMES, '')
    .replace(QUOTATION_MARKS, '');
  return MISTAKES.find(([form]) => form.test(value))?.[1];
}
