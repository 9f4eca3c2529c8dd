/** The options of `JwtAuth` that `Accounts` supply. */

import type { Sessions } from '../sessions/sessions.ts';
import type { PublicUser } from '../users/store.ts';
import type { Client } from './client.ts';

/** The members to spread into the options of `JwtAuth`. The functions are bound methods. */
export interface AccountHandlers {
  /** The method `authenticate`. */
  readonly authenticate: (
    username: string,
    password: string,
    client?: Client,
  ) => Promise<PublicUser | undefined>;
  /** The method `identity`. */
  readonly identity: (claims: {
    readonly identity?: unknown;
    readonly iat?: unknown;
    readonly sid?: unknown;
  }) => PublicUser | undefined | Promise<PublicUser | undefined>;
  /** The method `isCurrent`. */
  readonly isCurrent: (user: PublicUser) => boolean | Promise<boolean>;
  /** `Accounts` count wrong passwords themselves, so the `JwtAuth` does not. */
  readonly limits: false;
  /** The option `sessions` of the `Accounts`, if it was given. */
  readonly sessions?: Sessions | undefined;
}
