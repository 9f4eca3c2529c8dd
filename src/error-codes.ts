/**
 * The closed table of refusals: each code with its HTTP status, title and description.
 * Promise: a code never changes its name.
 */

/**
 * Refusals of tokens, of the Authorization header and of logins. The titles and descriptions of
 * Flask-JWT are kept word for word, because its clients compare them.
 */
const ACCESS_ERRORS = {
  // RFC 7515, RFC 7519.
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
  ERR_JWT_ISSUED_IN_FUTURE: [
    401,
    'Invalid token',
    'Issued At claim (iat) cannot be in the future.',
  ],
  ERR_JWT_NOT_YET_VALID: [401, 'Invalid token', 'The token is not yet valid (nbf)'],
  ERR_JWT_EXPIRED: [401, 'Invalid token', 'Signature has expired'],
  ERR_JWT_TOO_OLD: [401, 'Invalid token', 'Token is older than the maximum age'],
  ERR_JWT_AUDIENCE: [401, 'Invalid token', 'Invalid audience'],
  ERR_JWT_ISSUER: [401, 'Invalid token', 'Invalid issuer'],

  // RFC 9110 §11, RFC 6750 §2.1.
  ERR_AUTHORIZATION_MISSING: [
    401,
    'Authorization Required',
    'Request does not contain an access token',
  ],
  ERR_AUTHORIZATION_SCHEME: [401, 'Invalid JWT header', 'Unsupported authorization type'],
  ERR_AUTHORIZATION_NO_TOKEN: [401, 'Invalid JWT header', 'Token missing'],
  ERR_AUTHORIZATION_SPACES: [401, 'Invalid JWT header', 'Token contains spaces'],
  ERR_IDENTITY_UNKNOWN: [401, 'Invalid JWT', 'User does not exist'],
  ERR_SESSION_ENDED: [401, 'Invalid session', 'Session has ended, log in again'],
  ERR_CREDENTIALS: [401, 'Bad Request', 'Invalid credentials'],
} as const;

/** Refusals of a signup. Their body has the shape that the tutorial gave to a signup. */
const SIGNUP_ERRORS = {
  ERR_SIGNUP_BODY: [
    400,
    'Signup refused',
    'Expected a JSON object with the strings "username" and "password"',
  ],
  ERR_USERNAME: [
    400,
    'Signup refused',
    'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
  ],
  ERR_USER_EXISTS: [400, 'Signup refused', 'User already exists'],
  ERR_PASSWORD_TOO_SHORT: [400, 'Signup refused', 'Password is too short'],
  ERR_PASSWORD_TOO_LONG: [400, 'Signup refused', 'Password is too long'],
  ERR_PASSWORD_INVALID: [400, 'Signup refused', 'Password is not Unicode text without NUL'],
  ERR_PASSWORD_FORBIDDEN: [400, 'Signup refused', 'Password is the username, or too easy to guess'],
} as const;

/** Refusals of any HTTP request, and failures of the server. */
const REQUEST_ERRORS = {
  ERR_BAD_REQUEST: [400, 'Bad Request', 'The request could not be read'],
  ERR_BODY: [400, 'Bad Request', 'The body is not valid JSON in UTF-8'],
  ERR_LOGIN_BODY: [400, 'Bad Request', 'The body is not a JSON object'],
  ERR_REFRESH_BODY: [400, 'Bad Request', 'Expected a JSON object with the string "refresh_token"'],
  ERR_NOT_FOUND: [404, 'Not Found', 'There is nothing at this path'],
  ERR_METHOD: [405, 'Method Not Allowed', 'This path does not answer this method'],
  ERR_TIMEOUT: [408, 'Request Timeout', 'The request took too long to arrive'],
  ERR_BODY_TOO_LARGE: [413, 'Content Too Large', 'The body is too large'],
  ERR_URL_TOO_LONG: [414, 'URI Too Long', 'The request target is too long'],
  ERR_CONTENT_TYPE: [415, 'Unsupported Media Type', 'The body must be application/json in UTF-8'],
  ERR_THROTTLED: [429, 'Too Many Requests', 'Too many attempts, try again later'],
  ERR_HEADERS_TOO_LARGE: [
    431,
    'Request Header Fields Too Large',
    'The request header is too large',
  ],
  ERR_ABORTED: [499, 'Client Closed Request', 'The client closed the connection'],
  ERR_INTERNAL: [500, 'Internal Server Error', 'The server failed to answer this request'],
  ERR_PASSWORD_HASH: [
    500,
    'Internal Server Error',
    'A stored password hash is not a PHC or Werkzeug scrypt hash, or costs too much',
  ],
  ERR_BUSY: [503, 'Service Unavailable', 'Too many passwords are being checked, try again soon'],
  ERR_STORE: [503, 'Service Unavailable', 'The user store is unavailable'],
  ERR_STORE_LOCKED: [503, 'Service Unavailable', 'The user file is in use by another process'],
  ERR_STORE_DAMAGED: [503, 'Service Unavailable', 'The user file is corrupt'],
} as const;

/**
 * Every code, with the HTTP status, the title and the description of its reply. An AuthError has no
 * other code. A new version may add codes, but does not rename one.
 */
export const ERRORS: typeof ACCESS_ERRORS & typeof SIGNUP_ERRORS & typeof REQUEST_ERRORS = {
  ...ACCESS_ERRORS,
  ...SIGNUP_ERRORS,
  ...REQUEST_ERRORS,
};

/** The status, the title and the description of one code. */
type Row = (typeof ERRORS)[keyof typeof ERRORS];

/** A Map, because a plain object would also find inherited names such as `constructor`. */
export const ROW_BY_CODE: ReadonlyMap<string, Row> = new Map(Object.entries(ERRORS));

/** The codes whose replies have the shape that the tutorial gave to a signup. */
export const SIGNUP_CODES: ReadonlySet<string> = new Set(Object.keys(SIGNUP_ERRORS));
