/** The value of `--cors`: origins of web pages, separated by commas. */
import type { Kind } from './arguments.ts';

/** A browser sends the origin in this form (RFC 6454 §6.2): scheme, host, and a port if it has one. */
const EXAMPLE = 'https://app.example';

const WHITE_SPACE = /\s/;
const SCHEME = /^https?:\/\//i;
const SLASHES_AT_END = /\/+$/;

/** @returns why the text is not the origin of a page, as a phrase; undefined if it is one */
function originProblem(text: string): string | undefined {
  if (text === '') return 'an origin is missing';
  if (WHITE_SPACE.test(text)) return 'write the commas without spaces';
  if (text === '*') return '* would let every page call: name each origin';
  if (text === 'null') return 'null is the origin of files and sandboxed frames of any site';
  if (!SCHEME.test(text)) return `${text} does not begin with http:// or https://`;
  const sent = URL.canParse(text) ? new URL(text).origin : undefined;
  if (sent === text) return undefined;
  if (sent === undefined) return `${text} is not a URL`;
  if (sent === text.replace(SLASHES_AT_END, '')) return `${text} has a slash at its end`;
  return `browsers send ${sent} in place of ${text}`;
}

export const originListKind: Kind<readonly string[]> = {
  placeholder: '<origin>[,<origin>...]',
  expected: `origins such as ${EXAMPLE}, separated by commas`,
  parse: (text) => {
    const origins = text.split(',');
    return origins.some((origin) => originProblem(origin) !== undefined) ? undefined : origins;
  },
  reasonOf: (text) => {
    const problems = text.split(',').map(originProblem);
    return problems.find((problem) => problem !== undefined);
  },
};
