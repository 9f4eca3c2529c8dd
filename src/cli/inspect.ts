/** `latchkey inspect`: decodes a token, and verifies it if there is a file with secrets. */
import { readFile } from 'node:fs/promises';
import { styleText } from 'node:util';
import { decodeUnverified, Jwt } from '../crypto/jwt.ts';
import { isAuthError, type AuthError } from '../errors.ts';
import { ownMember } from '../values.ts';
import {
  helpOf,
  parseArguments,
  readFlags,
  someText,
  type Flags,
  type Positionals,
} from './arguments.ts';
import { attempt } from './command-errors.ts';
import { secretsIn } from './secret-file.ts';

interface InspectConfig {
  readonly secretFile: string | undefined;
}

const INSPECT_FLAGS: Flags<InspectConfig> = {
  secretFile: {
    name: '--secret-file',
    group: 'Options',
    help: 'also verify the token, with the secrets in the file',
    kind: someText('<file>', 'a file'),
  },
};

export const INSPECT_HELP: string = `Usage: latchkey inspect <token> [--secret-file <file>]

Decode a token: print its header, its claims and its times. With --secret-file,
also verify it. Without, the signature is not checked: the token may be forged.

${helpOf(INSPECT_FLAGS)}

The exit code is 1 if the text is not a token, or the token is not valid.`;

const ONE_TOKEN: Positionals = { count: 1, expected: 'one argument, the token' };
const TOKEN_FORM = 'A token is two JSON objects and a signature, in base64url, with dots between.';

/** The scheme before a token in an Authorization header. */
const SCHEME = /^\w+ +/;

/**
 * Prints the contents of a token. Sets exit code 1 if the token is not valid.
 * @throws UsageError, or CommandError if the text is not a token or the secrets cannot be read
 */
export async function inspect(args: readonly string[]): Promise<void> {
  const given = parseArguments(args, INSPECT_FLAGS, ONE_TOKEN);
  const [argument = ''] = given.positionals;
  const token = argument.trim().replace(SCHEME, '');
  const { secretFile } = readFlags(INSPECT_FLAGS, given, {});
  const description = await attempt('not a token', TOKEN_FORM, () => describeToken(token));
  if (secretFile === undefined) {
    console.log(description);
    console.log('Not verified: the token may be forged. With --secret-file it is verified.');
    return;
  }
  const secrets = await secretsOfFile(secretFile);
  const refusal = refusalOf(token, secrets);
  console.log(description);
  if (refusal === undefined) {
    console.log(colored('green', 'Valid: the signature and the times are right.'));
  } else {
    console.log(colored('red', `Not valid: ${refusal.message} (${refusal.code})`));
    process.exitCode = 1;
  }
}

function secretsOfFile(path: string): Promise<readonly string[]> {
  const read = async () => secretsIn(await readFile(path, 'utf8'), '--secret-file');
  return attempt('--secret-file', 'Name a file that you can read.', read);
}

function colored(color: 'green' | 'red', text: string): string {
  const isColored = process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'];
  return isColored ? styleText(color, text) : text;
}

/**
 * Characters that control a terminal, have no width or look like a space, except for the space
 * itself and the line feeds of the layout.
 */
const INVISIBLE = /(?![ \n])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/gu;

/** A Date holds at most so many seconds before or after 1970. */
const MAX_DATE_SECONDS = 8.64e12;

/**
 * @returns the header, the claims and the times of a token that is not verified, on several lines
 * @throws AuthError if the text is not a token, as `decodeUnverified` does
 */
function describeToken(token: string): string {
  const { header, claims } = decodeUnverified(token);
  const times = ['iat', 'nbf', 'exp'].flatMap((name) => {
    const seconds = ownMember(claims, name);
    const isTime = typeof seconds === 'number' && Math.abs(seconds) <= MAX_DATE_SECONDS;
    return isTime ? [`${name} is ${new Date(seconds * 1000).toISOString()}`] : [];
  });
  return [`header ${printable(header)}`, `claims ${printable(claims)}`, ...times].join('\n');
}

/** @returns JSON for people to read, with `\\u{...}` in place of each invisible character */
function printable(value: object): string {
  return JSON.stringify(value, null, 2).replace(INVISIBLE, (character) => {
    return `\\u{${character.codePointAt(0)?.toString(16)}}`;
  });
}

/**
 * @returns the reason why the token is not valid now with these secrets, or undefined if it is.
 *   `latchkey serve` also refuses a valid token of a user that does not exist.
 */
export function refusalOf(token: string, secrets: readonly string[]): AuthError | undefined {
  const jwt = new Jwt({ secret: secrets });
  try {
    jwt.verify(token);
    return undefined;
  } catch (error) {
    if (isAuthError(error)) return error;
    throw error;
  }
}
