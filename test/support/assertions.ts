/** Assertions about verdicts, refused options, and the text that an error reveals. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { AuthError } from '../../src/errors.ts';

/** @returns `accepted`, or the code of the AuthError @throws any other error */
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

/** Asserts that all tokens get the same verdict. They need not be strings. */
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

/**
 * Asserts that the mistake of the caller gets a TypeError (wrong kind) or a RangeError (out of
 * bounds), in the one grammar of such messages.
 */
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

/** All text that an error, or any other value, reveals, down to the last cause. */
export function allSaid(subject: unknown): string {
  const said = [
    inspect(subject, { showHidden: true, depth: Infinity }),
    JSON.stringify(subject),
    String(subject),
  ];
  if (subject instanceof Error) {
    said.push(subject.message, `${subject.stack}`, allSaid(subject.cause));
  }
  return said.join('\n');
}
