import { describe, integerBetween } from './options.ts';

/**
 * Errors come in two families. What the outside world did wrong is an AuthError with a stable code. What the calling
 * program did wrong is a TypeError (wrong kind of value) or a RangeError (right kind, out of bounds), in one grammar:
 * `"leewaySeconds" expected a finite number of at least 0, got NaN`.
 * Apart from names of options and claims, no message repeats a string: it could be a token, a password or a key.
 */

/** Every code, with the HTTP status, the title and the description that go over the wire. This list is closed. */
export const ERRORS = {
  // A token was refused (RFC 7515, RFC 7519). The descriptions are those of the original system where it had one.
  ERR_JWT_MALFORMED: [401, 'Invalid token', 'Not enough segments'],
  ERR_JWT_SIGNATURE: [401, 'Invalid token', 'Signature verification failed'],
  ERR_JWT_TOO_LONG: [401, 'Invalid token', 'Token is too long'],
  ERR_JWT_HEADER: [401, 'Invalid token', 'Invalid header'],
  ERR_JWT_ALGORITHM: [401, 'Invalid token', 'The specified alg value is not allowed'],
  ERR_JWT_EXTENSION: [401, 'Invalid token', 'Header extensions are not supported'],
  ERR_JWT_TYPE: [401, 'Invalid token', 'Invalid token type'],
  ERR_JWT_PAYLOAD: [401, 'Invalid token', 'Invalid payload'],
  ERR_JWT_CLAIM_MISSING: [401, 'Invalid token', 'Token is missing a required claim'],
  ERR_JWT_CLAIM_INVALID: [401, 'Invalid token', 'Token has a claim of the wrong type'],
  ERR_JWT_ISSUED_IN_FUTURE: [401, 'Invalid token', 'Issued At claim (iat) cannot be in the future.'],
  ERR_JWT_NOT_YET_VALID: [401, 'Invalid token', 'The token is not yet valid (nbf)'],
  ERR_JWT_EXPIRED: [401, 'Invalid token', 'Signature has expired'],
  ERR_JWT_TOO_OLD: [401, 'Invalid token', 'Token is older than the maximum age'],
  ERR_JWT_AUDIENCE: [401, 'Invalid token', 'Invalid audience'],
  ERR_JWT_ISSUER: [401, 'Invalid token', 'Invalid issuer'],

  // The request carried no usable token, or nobody is behind it.
  ERR_AUTHORIZATION_MISSING: [401, 'Authorization Required', 'Request does not contain an access token'],
  ERR_AUTHORIZATION_SCHEME: [401, 'Invalid JWT header', 'Unsupported authorization type'],
  ERR_AUTHORIZATION_NO_TOKEN: [401, 'Invalid JWT header', 'Token missing'],
  ERR_AUTHORIZATION_SPACES: [401, 'Invalid JWT header', 'Token contains spaces'],
  ERR_IDENTITY_UNKNOWN: [401, 'Invalid JWT', 'User does not exist'],
  ERR_CREDENTIALS: [401, 'Bad Request', 'Invalid credentials'],

  // A signup was refused.
  ERR_SIGNUP_BODY: [400, 'Signup refused', 'Expected a JSON object with the strings "username" and "password"'],
  ERR_USERNAME: [400, 'Signup refused', 'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces'],
  ERR_USER_EXISTS: [400, 'Signup refused', 'User already exists'],
  ERR_PASSWORD_TOO_SHORT: [400, 'Signup refused', 'Password is too short'],
  ERR_PASSWORD_TOO_LONG: [400, 'Signup refused', 'Password is too long'],
  ERR_PASSWORD_INVALID: [400, 'Signup refused', 'Password is not Unicode text without NUL'],
  ERR_PASSWORD_FORBIDDEN: [400, 'Signup refused', 'Password is the username, or too easy to guess'],

  // The HTTP request itself.
  ERR_BAD_REQUEST: [400, 'Bad Request', 'The request could not be read'],
  ERR_BODY: [400, 'Bad Request', 'The body is not valid JSON in UTF-8'],
  ERR_LOGIN_BODY: [400, 'Bad Request', 'The body is not a JSON object'],
  ERR_NOT_FOUND: [404, 'Not Found', 'There is nothing at this path'],
  ERR_METHOD: [405, 'Method Not Allowed', 'This path does not answer this method'],
  ERR_TIMEOUT: [408, 'Request Timeout', 'The request took too long to arrive'],
  ERR_BODY_TOO_LARGE: [413, 'Content Too Large', 'The body is too large'],
  ERR_URL_TOO_LONG: [414, 'URI Too Long', 'The request target is too long'],
  ERR_CONTENT_TYPE: [415, 'Unsupported Media Type', 'The body must be application/json in UTF-8'],
  ERR_THROTTLED: [429, 'Too Many Requests', 'Too many attempts, try again later'],
  ERR_HEADERS_TOO_LARGE: [431, 'Request Header Fields Too Large', 'The request header is too large'],
  ERR_ABORTED: [499, 'Client Closed Request', 'The client went away before it was answered'],

  // The server cannot do it now, or at all.
  ERR_INTERNAL: [500, 'Internal Server Error', 'The server failed to answer this request'],
  ERR_PASSWORD_HASH: [500, 'Internal Server Error', 'A stored password hash is malformed or costs too much'],
  ERR_BUSY: [503, 'Service Unavailable', 'Too many passwords are being checked, try again soon'],
  ERR_STORE: [503, 'Service Unavailable', 'Users cannot be read or written now'],
  ERR_STORE_LOCKED: [503, 'Service Unavailable', 'The file of users is in use by another process'],
  ERR_STORE_DAMAGED: [503, 'Service Unavailable', 'The file of users is damaged'],
} as const;

/** One of the codes in {@link ERRORS}. Codes are added, never renamed. */
export type AuthErrorCode = keyof typeof ERRORS;

/** What a refusal says where it differs from its row in {@link ERRORS}, and its `cause`, which is never sent. */
export type AuthErrorOptions = Partial<Omit<AuthError, 'code' | 'name' | 'message' | 'stack'>>;

const errorStatus = integerBetween(400, 599);

/**
 * A refusal: the only error that bad input from outside can cause. It has no stack trace, because it describes the
 * input and not the program, and because a trace would make a refusal dearer than the check it reports.
 */
export class AuthError extends Error {
  /** Stable, for programs to branch on. */
  readonly code: AuthErrorCode;
  /** The HTTP status of the reply; 400 to 599. */
  readonly status: number;
  /** The title: the `error` member of the reply. */
  readonly error: string;
  /** HTTP headers of the reply, such as `WWW-Authenticate`. */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly #body: unknown;

  static {
    this.prototype.name = 'AuthError';
  }

  /**
   * @param options what differs from the row of the code in the table above
   * @throws TypeError for no such code; TypeError or RangeError if `status` is not 400 to 599: a refusal cannot be made
   *   to look like a success
   */
  constructor(code: AuthErrorCode, options: AuthErrorOptions = {}) {
    const row = ERRORS[code];
    if (row === undefined) throw new TypeError(`"code" expected one of the codes, got ${describe(code)}`);
    const { status = row[0], error = row[1], description, headers, body, cause } = options;
    errorStatus('status', status);
    // A text that cannot be made throws here, where the limit still stands.
    const message = String(description ?? row[2]);
    const { stackTraceLimit } = Error;
    limitStackTraces(0);
    super(message, cause === undefined ? undefined : { cause });
    limitStackTraces(stackTraceLimit);
    this.code = code;
    this.status = status;
    this.error = error;
    this.headers = headers ?? {};
    this.#body = body;
  }

  /** The same text as `message`: the `description` member of the reply. */
  get description(): string {
    return this.message;
  }

  /** The reply, any JSON value: signup answers as the tutorial did, everything else as Flask-JWT did. */
  get body(): unknown {
    if (this.#body !== undefined) return this.#body;
    if (this.error === 'Signup refused') return { Status: 'Error', result: this.message };
    return { status_code: this.status, error: this.error, description: this.message };
  }
}

function limitStackTraces(limit: number): void {
  try {
    Error.stackTraceLimit = limit;
  } catch {
    // Where Error is frozen, refusals have traces. Reflect.set would not throw, but takes longer than all the rest.
  }
}

/**
 * Runs a check of outside data on something that the calling program made. A refusal is then a
 * mistake of the program.
 * @throws TypeError with the refusal as its `cause`
 */
export function refusedAsMistake(name: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new TypeError(`"${name}" expected what verify accepts, got ${error}`, { cause: error });
  }
}

/** @returns the message of an error, or those of each where there are several, such as addresses */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
