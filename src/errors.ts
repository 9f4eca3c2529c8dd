/**
 * The two families of errors. A refusal is an AuthError with a stable code. Its reason is input
 * from outside, load, or a store that fails. A mistake of the calling program is a TypeError (the
 * wrong kind of value) or a RangeError (the right kind, out of bounds), in the grammar of
 * `options.ts`.
 * Promise: a message that latchkey writes repeats no string, since it could be a token, a password
 * or a key. Exceptions: names of options, claims and fields, and paths of files. A program may give
 * an AuthError another description.
 */
import { ROW_BY_CODE, SIGNUP_CODES, type ERRORS } from './error-codes.ts';
import { integerBetween } from './options.ts';
import { describe, isError, isErrorNamed, propertyOf } from './values.ts';

/** One of the codes in {@link ERRORS}. */
export type AuthErrorCode = keyof typeof ERRORS;

/** Headers of a reply, by name. It is not the class `Headers` of the Web standard. */
type ReplyHeaders = Readonly<Record<string, string | string[]>>;

/** What replaces the row of the code in {@link ERRORS}, and what is added to it. */
export interface AuthErrorOptions {
  /** The HTTP status of the reply; 400 to 599. */
  readonly status?: number;
  /** The title: the `error` member of the reply. */
  readonly error?: string;
  /** The `description` member of the reply, and the message of the error. */
  readonly description?: string;
  /** HTTP headers of the reply. `Error-Code` is added, and to a 503 also `Retry-After: 5`. */
  readonly headers?: ReplyHeaders;
  /** The whole body of the reply, a JSON value, in place of the usual members. */
  readonly body?: unknown;
  /** The error behind the refusal. It is reported to `onError` and never sent to a client. */
  readonly cause?: unknown;
  /**
   * What the reply does not say, for logs alone: a constant text, without any value that a client
   * sent. It is never sent to a client.
   */
  readonly detail?: string | undefined;
}

const statusCheck = integerBetween(400, 599);

/**
 * Marks the refusals of every copy of this package. If members were the mark, an error made of JSON
 * from another service could choose the status and the headers of a reply.
 */
const REFUSAL = Symbol.for('latchkey.AuthError');

/**
 * A refusal: of input from outside, or because the server or its store cannot serve now. It has no
 * stack trace, because to make one takes longer than the check that failed. The error behind a
 * refusal, if there is one, is in `cause`.
 * @example
 * try {
 *   await accounts.signup({ username: 'Joe', password });
 * } catch (error) {
 *   if (error instanceof AuthError && error.code === 'ERR_USER_EXISTS') console.log('taken');
 *   else throw error;
 * }
 */
export class AuthError extends Error {
  /** Stable, so that programs can branch on it. */
  readonly code: AuthErrorCode;
  /** The HTTP status of the reply; 400 to 599. */
  readonly status: number;
  /** The title: the `error` member of the reply. */
  readonly error: string;
  /** HTTP headers of the reply: `Error-Code`, and others such as `WWW-Authenticate`. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly #body: unknown;
  readonly #detail: string | undefined;

  static {
    this.prototype.name = 'AuthError';
    Object.defineProperty(this.prototype, REFUSAL, { value: true });
  }

  /**
   * Makes `instanceof AuthError` true for an AuthError of another copy of this package too, as
   * {@link isAuthError} is. For a subclass `instanceof` works as usual.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return this === AuthError ? isAuthError(value) : isInstance(this, value);
  }

  /**
   * Makes a refusal, which a handler or a hook throws.
   * @example
   * throw new AuthError('ERR_NOT_FOUND', { description: 'No such page' });
   * @param code decides the status, the title and the description, as {@link ERRORS} lists them
   * @param options what replaces them, and what is added
   * @throws TypeError for an unknown code
   * @throws TypeError or RangeError if `status` is not 400 to 599, so that a refusal never looks
   *   like a success
   */
  constructor(code: AuthErrorCode, options: AuthErrorOptions = {}) {
    const row = ROW_BY_CODE.get(code);
    if (row === undefined) {
      throw new TypeError(`"code" expected one of the codes, got ${describe(code)}`);
    }
    const { status = row[0], error = row[1], description, headers, body, cause, detail } = options;
    statusCheck('status', status);
    // A description whose `toString` throws must do so before the limit of stack traces changes.
    const message = String(description ?? row[2]);
    const { stackTraceLimit } = Error;
    limitStackTraces(0);
    super(message, cause === undefined ? undefined : { cause });
    limitStackTraces(stackTraceLimit);
    this.code = code;
    this.status = status;
    this.error = error;
    this.headers = completeHeaders(headers, code, status);
    this.#body = body;
    this.#detail = detail;
  }

  /** The same text as `message`: the `description` member of the reply. */
  get description(): string {
    return this.message;
  }

  /**
   * What the reply does not say, such as `the body has no string "password"`; undefined if there is
   * nothing to add. For logs: a client never gets it. A getter, so that a program that sends a copy
   * of all own members does not send it.
   */
  get detail(): string | undefined {
    return this.#detail;
  }

  /** The body of the reply: by default the tutorial's for SIGNUP_ERRORS, else Flask-JWT's. */
  get body(): unknown {
    if (this.#body !== undefined) return this.#body;
    if (SIGNUP_CODES.has(this.code)) return { Status: 'Error', result: this.message };
    return { status_code: this.status, error: this.error, description: this.message };
  }
}

/**
 * Recognises a refusal that another copy of this package made. An application has two copies if two
 * of its packages have one each, after a hot reload, and in Jest. It never throws.
 * @returns whether a value is an AuthError of this copy or of another one
 */
export function isAuthError(value: unknown): value is AuthError {
  try {
    return isInstance(AuthError, value) || (isError(value) && Reflect.get(value, REFUSAL) === true);
  } catch {
    // A Proxy may throw.
    return false;
  }
}

/**
 * A hook may throw one AuthError for many requests, so the refusal itself is not changed.
 * @returns a new AuthError with these changes. Without a `body` among them it has the usual body.
 */
export function changedRefusal(refusal: AuthError, changes: AuthErrorOptions): AuthError {
  const { code, status, error, description, headers, cause, detail } = refusal;
  const same = { status, error, description, headers, cause, detail };
  return new AuthError(code, { ...same, ...changes });
}

/** `instanceof`, without the method that AuthError has for it. */
function isInstance(constructor: typeof AuthError, value: unknown): boolean {
  return Function.prototype[Symbol.hasInstance].call(constructor, value);
}

/** Adds the code, so that no client compares English text, and `Retry-After` (RFC 9110 §10.2.3). */
function completeHeaders(
  given: ReplyHeaders = {},
  code: string,
  status: number,
): ReplyHeaders {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  return {
    ...given,
    ...(!names.has('error-code') && { 'Error-Code': code }),
    ...(status === 503 && !names.has('retry-after') && { 'Retry-After': '5' }),
  };
}

function limitStackTraces(limit: number): void {
  try {
    Error.stackTraceLimit = limit;
  } catch {
    // A program may have frozen Error. Refusals then have stack traces. Reflect.set would not
    // throw, but is slower than the rest of the constructor.
  }
}

/** The option of `Jwt` behind a refusal. A code that is not listed is about the type of a claim. */
const OPTION_BY_CODE: ReadonlyMap<unknown, string> = new Map([
  ['ERR_JWT_AUDIENCE', 'audience'],
  ['ERR_JWT_ISSUER', 'issuer'],
  ['ERR_JWT_TYPE', 'type'],
  ['ERR_JWT_CLAIM_MISSING', 'requiredClaims'],
]);

/**
 * Runs a check that was written for input from outside, on a value of the calling program. A
 * refusal then shows a mistake of the program, so it is thrown as a TypeError.
 * @param name the argument that holds the value
 * @throws TypeError with the refusal as its `cause`; it names the option that decides, if one does
 */
export function rethrowRefusalAsTypeError(name: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    const option = OPTION_BY_CODE.get(propertyOf(error, 'code'));
    const hint = option === undefined ? '' : ` (see the option "${option}")`;
    const got = `a refusal: ${reasonOf(error)}${hint}`;
    const text = `"${name}" expected a value that verify accepts, got ${got}`;
    throw new TypeError(text, { cause: error });
  }
}

/**
 * @returns the message of an error. For an AggregateError these are the messages of its errors,
 *   such as one for each address that could not be reached. A thrown value that is not an error may
 *   be a secret, so only its kind is returned.
 */
export function reasonOf(error: unknown): string {
  const errors = isErrorNamed(error, 'AggregateError') ? propertyOf(error, 'errors') : undefined;
  if (Array.isArray(errors)) return errors.map(reasonOf).join(', ');
  return isError(error) ? error.message : describe(error);
}

/**
 * @returns whether `PasswordHasher` refused a password that no user can have: too long, with a NUL
 *   or with a lone surrogate. A login with it is refused as with a wrong password. A hook that uses
 *   these codes for another reason sets a status other than 400.
 */
export function isImpossiblePasswordError(error: unknown): boolean {
  if (!isAuthError(error) || error.status !== 400) return false;
  return error.code === 'ERR_PASSWORD_INVALID' || error.code === 'ERR_PASSWORD_TOO_LONG';
}

/** @returns whether an error says that no password can be verified with a stored hash */
export function isUnreadableHashError(error: unknown): boolean {
  return isAuthError(error) && error.code === 'ERR_PASSWORD_HASH';
}
