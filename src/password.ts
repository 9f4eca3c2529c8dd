/** The entry point latchkey/password: password hashes alone, over `crypto` and the errors. */
export { PasswordHasher, type PasswordHasherOptions } from './accounts/password-hasher.ts';
export { AuthError, type AuthErrorCode, type AuthErrorOptions } from './errors.ts';
