/** What a token says, for a person who looks into it. */
import { decodeUnverified } from './crypto/jwt.ts';

/** @returns header, claims and times, on several lines. @throws AuthError as decodeUnverified */
export function tellOf(token: string): string {
  const { header, claims } = decodeUnverified(token);
  // A token can say anything, to a terminal too: what is invisible is written as an escape.
  const escape = (hidden: string) => `\\u{${hidden.codePointAt(0)?.toString(16)}}`;
  const show = (value: object) => JSON.stringify(value, null, 2).replace(/[^\P{C}\n]/gu, escape);
  const times = Object.entries(claims).flatMap(([name, value]) => {
    const isTime = ['exp', 'iat', 'nbf'].includes(name) && typeof value === 'number' && Math.abs(value) <= 8.64e12;
    return isTime ? [`${name} is ${new Date(value * 1000).toISOString()}`] : [];
  });
  const warning = 'The signature was not checked: anybody may have written this.';
  return [`header ${show(header)}`, `claims ${show(claims)}`, ...times, warning].join('\n');
}
