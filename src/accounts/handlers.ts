/** The options of `JwtAuth` that `Accounts` supply. */

import type { Sessions } from '../sessions/sessions.ts';
import type { PublicUser } from '../users/store.ts';
import type { Client } from './client.ts';

/** The options of `JwtAuth` that `Accounts` supply. The functions are methods of it, bound. */
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
  /** `Accounts` count the guesses themselves, so the `JwtAuth` does not. */
  readonly limits: false;
  /** The option of these accounts, if it was given. */
  readonly sessions?: Sessions | undefined;
}
