/**
 * The entry point `latchkey`: all public names, except those of `latchkey/express` and the store
 * contract for test runners.
 */
export { createApp, type App, type AppOptions } from './app/app.ts';
export { AuthError, type AuthErrorCode, type AuthErrorOptions } from './errors.ts';

export { Accounts } from './accounts/accounts.ts';
export type { Client, SessionClient } from './accounts/client.ts';
export type { AccountHandlers } from './accounts/handlers.ts';
export type { AccountsOptions } from './accounts/options.ts';
export { PasswordHasher, type PasswordHasherOptions } from './accounts/password-hasher.ts';
export type { Limit, LimitCounts, LimitKind, Try } from './limits/counts.ts';
export { PostgresLimitCounts, type PostgresLimitCountsOptions } from './limits/postgres.ts';
export type { LimitOptions } from './limits/throttle.ts';

export type { GuardableRequest, HeaderSource } from './auth/requests.ts';
export { currentIdentity } from './auth/current-identity.ts';
export { JwtAuth } from './auth/jwt-auth.ts';
export type { GuardOptions, IssueOptions } from './auth/call-options.ts';
export type { LoginReply, LogoutReply, TokenPair } from './auth/login-reply.ts';
export type { AuthRequest } from './auth/request-body.ts';
export type { GuardedRequest, Middleware, RefusalResponse } from './auth/middleware.ts';
export type { IdentityClaims, JwtAuthOptions } from './auth/options.ts';

export type { RegisteredClaims } from './crypto/claims.ts';
export { decodeUnverified, Jwt } from './crypto/jwt.ts';
export type { JwtOptions, SignOptions } from './crypto/jwt-options.ts';
export { generateSecret, type Secret } from './crypto/secret.ts';

export { Reply } from './http/reply.ts';
export { HttpRequest } from './http/request.ts';
export type { ParameterName } from './http/route-path.ts';
export { Router, type AddRoute, type Handler, type RouterOptions } from './http/router.ts';
export { listen, type ListenOptions, type Server } from './http/server.ts';
export type { TlsOptions } from './http/tls.ts';

export type { PgClient } from './postgres/client.ts';

export { JsonFileSessionStore } from './sessions/json-file.ts';
export { MemorySessionStore } from './sessions/memory.ts';
export type { SessionsOptions } from './sessions/options.ts';
export { PostgresSessionStore, type PostgresSessionStoreOptions } from './sessions/postgres.ts';
export type { RefreshResult } from './sessions/rules.ts';
export { Sessions, type SessionInfo, type SessionStart } from './sessions/sessions.ts';
export type { Session, SessionRecord, SessionStore } from './sessions/store.ts';

export { JsonFileUserStore } from './users/json-file.ts';
export { MemoryUserStore } from './users/memory.ts';
export { PostgresUserStore, type PostgresUserStoreOptions } from './users/postgres.ts';
export type { PublicUser, RemovedName, User, UserStore } from './users/store.ts';
