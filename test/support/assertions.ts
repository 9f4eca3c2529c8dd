/** Assertions about verdicts, refused options, and what an error can be made to tell. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { AuthError } from '../../src/errors.ts';

/** `accepted`, or the code of the AuthError. Any other error is passed on. */
export function verdictOf(use: () => unknown): string {
  try {
    use();
    return 'accepted';
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
}

export interface Verifier {
  verify(token: string): unknown;
}

/** Every one of these, which need not be strings, gets the same verdict. */
export function assertVerdict(jwt: Verifier, expected: string, tokens: readonly unknown[]): void {
  assert.notEqual(tokens.length, 0);
  for (const token of tokens) {
    const read = String(token)
      .split('.', 2)
      .map((part) => `${Buffer.from(part, 'base64url')}`.slice(0, 200));
    assert.equal(
      verdictOf(() => jwt.verify(token as string)),
      expected,
      `${read.join('.')} ${inspect(token)}`,
    );
  }
}

/** The caller's mistake: a TypeError (the wrong kind) or a RangeError (out of bounds), in one grammar. */
export function assertRefusedOption(
  use: () => void,
  name: string,
  value?: unknown,
  kind: Function = TypeError,
): void {
  const label = `${name}: ${inspect(value)}`;
  assert.throws(use, kind, label);
  assert.throws(use, { message: /^"\w*" expected [^\n]+, got [^\n]+$/ }, label);
  assert.throws(use, ({ message }: Error) => message.startsWith(`"${name}" `), label);
}

/** All that an error, or anything else, can be made to tell, down to the last cause. */
export function allSaid(subject: unknown): string {
  const said = [
    inspect(subject, { showHidden: true, depth: Infinity }),
    JSON.stringify(subject),
    String(subject),
  ];
  if (subject instanceof Error)
    said.push(subject.message, `${subject.stack}`, allSaid(subject.cause));
  return said.join('\n');
}
