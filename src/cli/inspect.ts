/** What a token says, for a person who looks into it. */
import { decodeUnverified, Jwt } from '../crypto/jwt.ts';
import { AuthError } from '../errors.ts';

/** Whatever steers a terminal, has no width, or looks like a space. */
const INVISIBLE = /[^\P{C}\n]|[^\P{Z} ]|\p{Default_Ignorable_Code_Point}/gu;

/** @returns header, claims and times, on several lines. @throws AuthError as decodeUnverified */
export function describeToken(token: string): string {
  const { header, claims } = decodeUnverified(token);
  // A token can say anything, to a terminal too: what is invisible is written as an escape.
  const escape = (hidden: string) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`;
  const show = (value: object) => JSON.stringify(value, null, 2).replace(INVISIBLE, escape);
  const times = Object.entries(claims).flatMap(([name, value]) => {
    const isTime = ['exp', 'iat', 'nbf'].includes(name) && typeof value === 'number' && Math.abs(value) <= 8.64e12;
    return isTime ? [`${name} is ${new Date(value * 1000).toISOString()}`] : [];
  });
  return [`header ${show(header)}`, `claims ${show(claims)}`, ...times].join('\n');
}

/** @returns why `latchkey serve` with these secrets would refuse the token now, or undefined if it would take it */
export function refusalOf(token: string, secrets: readonly string[]): AuthError | undefined {
  const jwt = new Jwt({ secret: secrets });
  try {
    jwt.verify(token);
    return undefined;
  } catch (error) {
    if (error instanceof AuthError) return error;
    throw error;
  }
}
