/**
 * The answers of a server to `latchkey users`.
 * Promise: what the server sends is not trusted. Its size is bounded, its texts are escaped, and
 * each page continues after the one before.
 */

import type { IncomingMessage } from 'node:http';
import { ROW_BY_CODE } from '../../error-codes.ts';
import { AuthError, type AuthErrorCode } from '../../errors.ts';
import { compareCodePoints } from '../../users/sorted-ids.ts';
import { CommandError } from '../command-errors.ts';
import { printable } from '../printable.ts';
import { stringMember } from './administration-messages.ts';

/** Far more than a page of 1000 users has. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20;

/** Longer than any text that an error of latchkey has. */
const MAX_TEXT_LENGTH = 1000;

/**
 * Refuses a page that does not continue after the one before: otherwise a server could send pages
 * for ever.
 * @throws CommandError
 */
export function requireAscending(ids: readonly string[]): void {
  const isAscending = ids.every((id, index) => {
    return index === 0 || compareCodePoints(ids[index - 1] ?? '', id) < 0;
  });
  if (!isAscending) throw unreadableAnswer();
}

/**
 * @throws CommandError if the answer is too large, or is not JSON; an error of Node if it does not
 *   arrive whole
 */
export async function jsonOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    // The loop then destroys the response, and with it the connection.
    if (bytes > MAX_ANSWER_BYTES) throw unreadableAnswer();
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw unreadableAnswer();
  }
}

/**
 * @returns the AuthError that the server threw, made from its reply; a CommandError if the reply is
 *   not a refusal that this version knows
 */
export function refusalIn({ statusCode = 0, headers }: IncomingMessage, body: unknown): Error {
  const code = String(headers['error-code']);
  const isRefusal = statusCode >= 400 && statusCode <= 599;
  if (!isErrorCode(code) || !isRefusal) return unreadableAnswer();
  // An older server lacks the route.
  if (code === 'ERR_NOT_FOUND') return unreadableAnswer();
  const description = printableIn(body, 'description');
  const error = printableIn(body, 'error');
  const reason = printableIn(body, 'reason');
  return new AuthError(code, {
    status: statusCode,
    ...(description !== undefined && { description }),
    ...(error !== undefined && { error }),
    ...(reason !== undefined && { cause: new Error(reason) }),
  });
}

/** @returns undefined also for an empty text: the operator then reads that of the code */
function printableIn(body: unknown, name: string): string | undefined {
  const text = stringMember(body, name) ?? '';
  return text === '' ? undefined : printable(text.slice(0, MAX_TEXT_LENGTH));
}

function isErrorCode(code: string): code is AuthErrorCode {
  return ROW_BY_CODE.has(code);
}

export function unreadableAnswer(): CommandError {
  const remedy = 'use the version of the running server, or restart it';
  return new CommandError(`the answer of the server cannot be read: ${remedy}`);
}
