/**
 * Recognises common mistakes in a text that should be a token. Two other files put them into words:
 * the details for the log, and the advice of `latchkey inspect`.
 * Promise: only the outline of the text is looked at. Nothing is decoded.
 */

/** What is probably wrong with a text that should be a token. */
export type TokenMistake =
  | 'empty'
  | 'undefined'
  | 'null'
  | 'promise'
  | 'object'
  | 'basic'
  | 'quoted'
  | 'line break'
  | 'separator'
  | 'encoded'
  | 'one segment'
  | 'two segments'
  | 'five segments'
  | 'too many segments';

/** Of several forms that a text has, the first in this list counts. */
const FORMS: readonly (readonly [mistake: TokenMistake, form: RegExp])[] = [
  ['empty', /^$/],
  // What JavaScript writes in place of a token that is missing.
  ['undefined', /^undefined$/],
  ['null', /^null$/],
  ['promise', /^\[object Promise\b/],
  ['object', /^\[object\b/],
  ['basic', /^basic\s/i],
  ['quoted', /^["'`\u2018-\u201f]|["'`\u2018-\u201f]$/],
  ['line break', /[\r\n]/],
  ['separator', /[,;]$/],
  ['encoded', /%(?:2e|20|22)/i],
];

/** By the number of segments, from one on. Three are those of a token. */
const SEGMENTS: readonly (TokenMistake | undefined)[] = [
  'one segment',
  'two segments',
  undefined,
  'too many segments',
  'five segments',
  'too many segments',
];

/** @returns what is wrong; undefined for three segments in which there is no mistake */
export function tokenMistakeIn(text: string): TokenMistake | undefined {
  const [mistake] = FORMS.find(([, form]) => form.test(text)) ?? [];
  // The limit keeps a megabyte of dots from making a long list.
  return mistake ?? SEGMENTS[text.split('.', SEGMENTS.length).length - 1];
}

/** The length of a signature of HS256, in characters of base64url. */
export const HS256_CHARACTERS = 43;

/** What is wrong with the last segment of a token, if it has three. */
export type SignatureMistake = 'missing' | 'short' | 'long';

/** @returns undefined if the last segment is as long as a signature of HS256 */
export function signatureMistakeIn(token: string): SignatureMistake | undefined {
  const length = token.length - (token.lastIndexOf('.') + 1);
  if (length === 0) return 'missing';
  if (length === HS256_CHARACTERS) return undefined;
  return length < HS256_CHARACTERS ? 'short' : 'long';
}
