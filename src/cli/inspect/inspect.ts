/** `latchkey inspect`: decodes a token, and verifies it if there is a file with secrets. */
import { styleText } from 'node:util';
import { decodeUnverified } from '../../crypto/jwt.ts';
import { ownMember } from '../../values.ts';
import { parseArguments, readFlags, type Positionals } from '../arguments.ts';
import { attempt, CommandError } from '../command-errors.ts';
import { readNamedFile } from '../named-file.ts';
import { printable } from '../printable.ts';
import { secretsIn } from '../secrets/secret-text.ts';
import { INSPECT_FLAGS } from './inspect-flags.ts';
import { mistakeIn } from './inspect-mistakes.ts';
import {
  findToken,
  kindNotes,
  kindOf,
  outlineNotes,
  refusalNotes,
  refusalOf,
  surroundingsNotes,
  type TokenParts,
} from './inspect-notes.ts';

const ONE_TOKEN: Positionals = {
  count: 1,
  expected: 'one argument, the token (in quotation marks if it has spaces), or -',
};
const TOKEN_FORM = 'A token is two JSON objects and a signature, in base64url, with dots between.';

/**
 * Prints the contents of a token. Sets exit code 1 if the token is not valid.
 * @throws UsageError, or CommandError if the text is not a token or the secrets cannot be read
 */
export async function inspect(args: readonly string[]): Promise<void> {
  const parsed = parseArguments(args, INSPECT_FLAGS, ONE_TOKEN);
  const [argument = ''] = parsed.positionals;
  const text = argument === '-' ? await readText(process.stdin) : argument;
  const { secretFile, leewaySeconds } = readFlags(INSPECT_FLAGS, parsed, { values: {} });
  const found = findToken(text);
  const { token } = found;
  const parts = await attempt('not a token', TOKEN_FORM, () => decodeParts(token));
  const notes = [...surroundingsNotes(found), ...kindNotes(parts)];
  const alg = ownMember(parts.header, 'alg');
  if (secretFile === undefined) {
    notes.push(...outlineNotes(token, alg));
    const verdict = 'Not verified, so it may be forged: verify it with --secret-file.';
    console.log([describeToken(parts), ...notes, verdict].join('\n'));
    return;
  }
  const secrets = await secretsOfFile(secretFile);
  const refusal = refusalOf(token, secrets, leewaySeconds, kindOf(parts));
  if (refusal !== undefined) {
    notes.push(...refusalNotes(refusal, token, alg, secrets));
  }
  console.log([describeToken(parts), ...notes].join('\n'));
  if (refusal === undefined) {
    console.log(colored('green', 'Valid: the signature and the times are right.'));
  } else {
    console.log(colored('red', `Not valid: ${refusal.message} (${refusal.code})`));
    process.exitCode = 1;
  }
}

/** The longest text that is decoded, in characters. */
const MAX_TEXT_LENGTH = 1_048_576;

/** @returns the text of a stream without its last line break. If it is too long, it is cut off. */
async function readText(stream: NodeJS.ReadStream): Promise<string> {
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_TEXT_LENGTH) break;
  }
  return text.replace(/\r?\n$/, '');
}

/**
 * @throws CommandError if the text has a mistake, such as another number of segments than three
 * @throws AuthError as `decodeUnverified`, if its three segments are not those of a token
 */
function decodeParts(token: string): TokenParts {
  const mistake = mistakeIn(token);
  if (mistake === undefined) return decodeUnverified(token);
  const count = mistake.isSegmentCount ? `: ${segmentsOf(token)}` : '';
  throw new CommandError(`not a token${count}. ${mistake.advice}`);
}

function segmentsOf(token: string): string {
  const { length } = token.split('.');
  const kind = length === 5 ? ', as encrypted tokens (JWE) have' : '';
  return `it has ${length} ${length === 1 ? 'segment' : 'segments'}${kind}`;
}

const WEAK_SECRET =
  'latchkey accepts no such secret: name another file, or the other side has to change it.';

async function secretsOfFile(path: string): Promise<readonly string[]> {
  const flag = '--secret-file';
  const text = await readNamedFile(flag, path, 'Name a file that you can read.');
  return secretsIn(text, flag, WEAK_SECRET);
}

function colored(color: 'green' | 'red', text: string): string {
  const isColored = process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'];
  return isColored ? styleText(color, text) : text;
}

/** A Date holds at most so many seconds before or after 1970. */
const MAX_DATE_SECONDS = 8.64e12;

/** As seconds, this is the year 5138. */
const LIKELY_MILLISECONDS = 1e11;

/** @returns the header, the claims and the times of a token, on several lines */
function describeToken({ header, claims }: TokenParts): string {
  const times = ['iat', 'nbf', 'exp'].flatMap((name) => {
    const seconds = ownMember(claims, name);
    // JSON.parse reads 1e400 as Infinity, and -1e400 as -Infinity. JSON.stringify writes null.
    if (seconds === Infinity || seconds === -Infinity) {
      return [`${name} is beyond the range of numbers, as 1e400 is`];
    }
    const isTime = typeof seconds === 'number' && Math.abs(seconds) <= MAX_DATE_SECONDS;
    if (!isTime) return [];
    const isLarge = seconds > LIKELY_MILLISECONDS;
    const note = isLarge ? ' (it looks like milliseconds: the claim counts seconds)' : '';
    return [`${name} is ${new Date(seconds * 1000).toISOString()}${note}`];
  });
  return [`header ${printed(header)}`, `claims ${printed(claims)}`, ...times].join('\n');
}

/** `Jwt` signs no deeper claims. The stack would overflow at some thousand levels. */
const MAX_DEPTH = 100;

/** @returns JSON for people to read, with `\u{...}` in place of each invisible character */
function printed(value: object): string {
  if (isDeeper(value, MAX_DEPTH)) return `(more than ${MAX_DEPTH} levels deep, not printed)`;
  return JSON.stringify(value, null, 2).split('\n').map(printable).join('\n');
}

/** @returns whether JSON nests deeper than `levels`. A loop, because recursion could overflow. */
function isDeeper(value: object, levels: number): boolean {
  let level: object[] = [value];
  for (let depth = 1; depth <= levels; depth += 1) {
    const members: unknown[] = level.flatMap((parent) => Object.values(parent));
    level = members.filter((member) => typeof member === 'object' && member !== null);
    if (level.length === 0) return false;
  }
  return true;
}
