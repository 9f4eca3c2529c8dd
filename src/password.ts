/** The entry point latchkey/password: password hashes, without users and without tokens. */
export { PasswordHasher, type PasswordHasherOptions } from './accounts/password-hasher.ts';
export { AuthError, type AuthErrorCode, type AuthErrorOptions } from './errors.ts';
