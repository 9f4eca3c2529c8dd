/**
 * `latchkey/express`: sign-up, login, guard and refusal as middleware for Express, Connect and
 * Polka. No framework is imported.
 */
export { guard, login, logout, refresh, refusal, signup } from './frameworks/express.ts';
export type { AuthWith, ExpressGuard, ExpressGuardOptions } from './frameworks/express.ts';
export type { ExpressMiddleware, ExpressOptions, ExpressRequest } from './frameworks/express.ts';
export type { GuardingAuth } from './frameworks/express.ts';
export type { Next } from './frameworks/refusals.ts';
