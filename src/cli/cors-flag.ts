/** The value of `--cors`: origins of web pages, separated by commas. */

import type { Kind } from './arguments.ts';

const SCHEME = /^https?:\/\//;

/**
 * @returns what is wrong with an origin, to be put behind "got"; undefined for a valid one, which
 *   is written as browsers send it (RFC 6454 §6.2)
 */
function corsOriginProblem(origin: string): string | undefined {
  if (origin === '*') return '"*": scripts of any page could use the replies, so name the origins';
  if (origin === 'null') return '"null": sandboxed frames of every site have this origin';
  if (!SCHEME.test(origin)) return 'a text without a scheme, such as "https://"';
  if (!URL.canParse(origin)) return 'a text that is not a URL';
  const { origin: sent } = new URL(origin);
  return sent === origin ? undefined : `other text than the origin, which is ${sent}`;
}

const WHITE_SPACE = /\s/;

/** @returns what stands behind "got" in the message on a wrong list; undefined for a valid list */
function problemOf(text: string): string | undefined {
  const quoted = JSON.stringify(text);
  if (WHITE_SPACE.test(text)) return `${quoted}: separate the origins by commas without spaces`;
  const origins = text.split(',');
  if (origins.includes('')) return `${quoted}, where an origin is empty`;
  for (const origin of origins) {
    const problem = corsOriginProblem(origin);
    if (problem === undefined) continue;
    const name = JSON.stringify(origin);
    return problem.startsWith(name) ? problem : `${name}, ${problem}`;
  }
  return new Set(origins).size < origins.length ? `${quoted}, where one is named twice` : undefined;
}

/** The kind of lists of origins. */
export const originList: Kind<readonly string[]> = {
  placeholder: '<origin>[,<origin>...]',
  expected: 'origins such as https://app.example, separated by commas',
  parse: (text) => problemOf(text) === undefined ? text.split(',') : undefined,
  problemOf,
};
