/** The options of Accounts, their checks and their defaults. */
import { MAX_PASSWORD_LENGTH } from '../crypto/password.ts';
import { limitsCheck, throttleOf } from '../limits/options.ts';
import type { LimitOptions, Throttle } from '../limits/throttle.ts';
import {
  aFunction,
  checkedClock,
  integerBetween,
  objectWith,
  readOptions,
  type Checks,
} from '../options.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { UserStore } from '../users/store.ts';
import { isCommonPassword } from './common-passwords.ts';
import { PasswordHasher } from './password-hasher.ts';
import type { IsForbidden } from './password-rules.ts';

/** The store and the hasher of `Accounts`, the rules for new passwords, the rate limits. */
export interface AccountsOptions {
  /** The store that keeps the users. */
  readonly users: UserStore;
  /** Hashes and verifies passwords. Default: a `PasswordHasher` with its own defaults. */
  readonly passwords?: Pick<PasswordHasher, 'hash' | 'verify' | 'needsRehash'>;
  /**
   * Minimum length of a new password in code points, after NFC; 1 to 1024, default 8 (OWASP ASVS
   * 5.0, 6.2.1).
   */
  readonly minPasswordLength?: number;
  /**
   * Maximum length of a new password in code points, after NFC; 1 to 1024 and at least
   * `minPasswordLength`, default 256. In addition, no password may have more than 1024 UTF-16 code
   * units before NFC.
   */
  readonly maxPasswordLength?: number;
  /**
   * Decides whether a new password is refused. It gets the password in NFC, and returns true or
   * false or a promise of one. Default: whether the password, ignoring letter case, is one of the
   * 3,000 most used ones of 8 characters or more (OWASP ASVS 5.0, 6.2.4). A function replaces that
   * list.
   */
  readonly isForbidden?: IsForbidden;
  /**
   * Rate limits for logins, signups and passwords on guarded routes. Default: those of
   * `LimitOptions`. `false` means none.
   */
  readonly limits?: LimitOptions | false;
  /**
   * The `Sessions` of the `JwtAuth`. A new password, `disable` and `remove` end the sessions of the
   * user. Without it, tokens stay valid until they expire, as long as the account exists and is not
   * disabled.
   */
  readonly sessions?: Sessions | undefined;
  /**
   * The clock of the limits, of `createdAt` and of removals, in seconds since 1970. `Sessions` has
   * its own option `now`: pass it the same function. Default: for `createdAt` and removals the
   * system's clock. For the limits a monotonic clock, set to the system's time when the process
   * starts: later changes of the system's time have no effect.
   */
  readonly now?: () => number;
}

/** OWASP ASVS 5.0, 6.2.1. */
export const DEFAULT_MIN_PASSWORD_LENGTH = 8;

const passwordLength = integerBetween(1, MAX_PASSWORD_LENGTH);

/** The checks of {@link AccountsOptions}, also for a function that passes these options on. */
export const ACCOUNTS_OPTION_CHECKS: Checks<AccountsOptions> = {
  users: objectWith('find', 'insert', 'update'),
  passwords: objectWith('hash', 'verify', 'needsRehash'),
  minPasswordLength: passwordLength,
  maxPasswordLength: passwordLength,
  isForbidden: aFunction,
  limits: limitsCheck,
  sessions: objectWith('list', 'end', 'endAll'),
  now: aFunction,
};

/** The options with all defaults. */
export interface AccountsSettings
  extends Required<Omit<AccountsOptions, 'limits' | 'now' | 'sessions'>> {
  /** Undefined for no limits. */
  readonly throttle: Throttle | undefined;
  readonly sessions: Sessions | undefined;
  /** The clock of `createdAt` and of removals, in seconds since 1970. */
  readonly now: () => number;
}

/** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
export function settingsOf(options: AccountsOptions): AccountsSettings {
  // It has no prototype, so prototype pollution cannot supply an option.
  const given = readOptions(options, ACCOUNTS_OPTION_CHECKS, ['users']);
  const { minPasswordLength = DEFAULT_MIN_PASSWORD_LENGTH } = given;
  const { maxPasswordLength = 256, now } = given;
  // The message names an option that the caller has set. The other one may be a default.
  if (given.maxPasswordLength === undefined) {
    integerBetween(1, maxPasswordLength)('minPasswordLength', minPasswordLength);
  } else {
    const check = integerBetween(minPasswordLength, MAX_PASSWORD_LENGTH);
    check('maxPasswordLength', maxPasswordLength);
  }
  return {
    users: given.users,
    passwords: given.passwords ?? new PasswordHasher(),
    minPasswordLength,
    maxPasswordLength,
    isForbidden: given.isForbidden ?? isCommonPassword,
    throttle: throttleOf(given.limits, now),
    sessions: given.sessions,
    now: checkedClock(now),
  };
}
