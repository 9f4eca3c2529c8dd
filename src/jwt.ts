/** The entry point latchkey/jwt: tokens, without users and without a server. */
export type { RegisteredClaims } from './crypto/claims.ts';
export { decodeUnverified, Jwt } from './crypto/jwt.ts';
export type { JwtOptions, SignOptions } from './crypto/jwt-options.ts';
export { generateSecret, type Secret } from './crypto/secret.ts';
export { AuthError, type AuthErrorCode, type AuthErrorOptions } from './errors.ts';
