/** The value of `--cors`: origins of web pages, separated by commas. */
import { corsOriginProblem } from '../../http/cors.ts';
import type { Kind } from '../arguments.ts';

const WHITE_SPACE = /\s/;

/** @returns what is wrong with a list, to be put after "got"; undefined for a valid list */
function problemOf(text: string): string | undefined {
  const quoted = JSON.stringify(text);
  if (WHITE_SPACE.test(text)) return `${quoted}: separate the origins by commas without spaces`;
  const origins = text.split(',');
  if (origins.includes('')) return `${quoted}, where an origin is empty`;
  for (const origin of origins) {
    const problem = corsOriginProblem(origin);
    if (problem !== undefined) return `${JSON.stringify(origin)}, ${problem}`;
  }
  return new Set(origins).size < origins.length ? `${quoted}, where one is named twice` : undefined;
}

/** A list of different origins. */
export const originList: Kind<readonly string[]> = {
  placeholder: '<origin>[,<origin>...]',
  expected: 'origins such as https://app.example, separated by commas',
  parse: (text) => problemOf(text) === undefined ? text.split(',') : undefined,
  problemOf,
};
