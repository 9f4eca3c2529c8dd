/** `latchkey inspect`: shows what a token says, and whether it verifies. */
import { readFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import { decodeUnverified, Jwt } from '../crypto/jwt.ts';
import { AuthError } from '../errors.ts';
import { ownMember } from '../values.ts';
import { helpOf, parseArguments, readFlags, someText, type Flags } from './arguments.ts';
import { attempt, UsageError } from './command-errors.ts';
import { secretsIn } from './secret-file.ts';

interface InspectConfig {
  readonly secretFile: string | undefined;
}

const INSPECT_FLAGS: Flags<InspectConfig> = {
  secretFile: {
    name: '--secret-file',
    group: 'Options',
    help: 'verify the token with the secrets in this file',
    kind: someText('<file>', 'a file'),
  },
};

export const INSPECT_HELP: string = `Usage: latchkey inspect <token> [--secret-file <file>]

Print the header, the claims and the times of a token. Without --secret-file
the signature is not checked, and the token may be forged.

${helpOf(INSPECT_FLAGS)}

The exit code is 1 if the text is not a token or the token does not verify.`;

/** A scheme before the token, as in an Authorization header. */
const SCHEME = /^\w+ +/;

/** Prints a token, and sets the exit code 1 if it does not verify. */
export async function inspect(args: readonly string[]): Promise<void> {
  const given = parseArguments(args, INSPECT_FLAGS, 1);
  const token = given.positionals[0]?.trim().replace(SCHEME, '');
  if (token === undefined) throw new UsageError('inspect expected a token');
  const { secretFile } = readFlags(INSPECT_FLAGS, given, {});
  const remedy = 'pass one whole token';
  const description = await attempt('not a token', () => describeToken(token), remedy);
  if (secretFile === undefined) {
    console.log(description);
    console.log('The signature was not checked, so the token may be forged: see --secret-file.');
    return;
  }
  const secrets = await secretsOfFile(secretFile);
  const refusal = refusalOf(token, secrets);
  console.log(description);
  if (refusal === undefined) {
    console.log(colored('green', 'It verifies now.'));
  } else {
    console.log(colored('red', `It does not verify now: ${refusal.message} (${refusal.code})`));
    process.exitCode = 1;
  }
}

function secretsOfFile(path: string): Promise<readonly string[]> {
  const read = async () => secretsIn(await readFile(path, 'utf8'));
  return attempt('--secret-file', read, 'name a file with secrets that "latchkey secret" printed');
}

function colored(color: 'green' | 'red', text: string): string {
  const isColored = process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'];
  return isColored ? styleText(color, text) : text;
}

/** Characters that control a terminal, have no width or look like a space. Line feeds are not. */
const INVISIBLE = /[^\P{C}\n]|[^\P{Z} ]|\p{Default_Ignorable_Code_Point}/gu;

/** The most seconds on either side of 1970 that a Date can hold. */
const MAX_DATE_SECONDS = 8.64e12;

/**
 * @returns the header, the claims and the times, on several lines
 * @throws AuthError as `decodeUnverified` does
 */
export function describeToken(token: string): string {
  const { header, claims } = decodeUnverified(token);
  const times = ['iat', 'nbf', 'exp'].flatMap((name) => {
    const seconds = ownMember(claims, name);
    const isTime = typeof seconds === 'number' && Math.abs(seconds) <= MAX_DATE_SECONDS;
    return isTime ? [`${name} is ${new Date(seconds * 1000).toISOString()}`] : [];
  });
  return [`header ${printable(header)}`, `claims ${printable(claims)}`, ...times].join('\n');
}

/** A token may hold any text, so invisible characters are written as escapes. */
function printable(value: object): string {
  return JSON.stringify(value, null, 2).replace(INVISIBLE, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/** @returns why `latchkey serve` with these secrets would refuse the token now, or undefined */
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
