/** The front door of latchkey: everything but the store contract, which needs a test runner. */
export { createApp, type AppOptions } from './app.ts';
export { Accounts, type AccountsOptions, type Client } from './auth/accounts.ts';
export { currentIdentity, JwtAuth, type AuthRequest, type HeaderSource } from './auth/jwt-auth.ts';
export type { IdentityClaims, JwtAuthOptions, Middleware } from './auth/jwt-auth.ts';
export { PasswordHasher, type PasswordHasherOptions } from './auth/password-hasher.ts';
export type { LimitOptions } from './auth/throttle.ts';
export { decodeUnverified, generateSecret, Jwt } from './crypto/jwt.ts';
export type { JwtOptions, RegisteredClaims, Secret, SignOptions } from './crypto/jwt.ts';
export { AuthError, type AuthErrorCode, type AuthErrorOptions } from './errors.ts';
export { Reply } from './http/json.ts';
export { HttpRequest } from './http/request.ts';
export { Router, type AddRoute, type Handler, type RouterOptions } from './http/router.ts';
export { listen, type ListenOptions, type Server, type TlsOptions } from './http/server.ts';
export { JsonFileUserStore } from './users/json-file.ts';
export { MemoryUserStore } from './users/memory.ts';
export { PostgresUserStore, type PgClient, type PostgresUserStoreOptions } from './users/postgres.ts';
export type { User, UserStore } from './users/store.ts';
