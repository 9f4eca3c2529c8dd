/**
 * The objects that sign and verify the tokens of one JwtAuth. They hold the secret, so a renewal of
 * the secret replaces them.
 * Promise: a renewal replaces all of them in one assignment, or changes nothing. The cache of
 * verified tokens goes with them, so a secret that was taken out verifies nothing any more.
 */
import { Jwt } from '../crypto/jwt.ts';
import type { JwtOptions } from '../crypto/jwt-options.ts';
import { RefreshTokens } from './refresh-token.ts';

/** What is made of one secret, or of one list of secrets. */
export interface Signers {
  /** Of the access tokens. */
  readonly jwt: Jwt;
  /** Used only with sessions. */
  readonly refreshTokens: RefreshTokens;
}

/** The signers of one JwtAuth, whose secret can be renewed. */
export class TokenSigners {
  readonly #options: Omit<JwtOptions, 'secret'>;
  #current: Signers;

  /**
   * @param options checked already, except for the secret
   * @throws TypeError or RangeError for a secret that `Jwt` refuses
   */
  constructor({ secret, ...options }: JwtOptions) {
    this.#options = withOwnLists(options);
    this.#current = signersOf(secret, this.#options);
  }

  /** The signers of the newest secret. Read it once for objects that must share a secret. */
  get current(): Signers {
    return this.#current;
  }

  /** @throws TypeError or RangeError for a secret that `Jwt` refuses; the old one then stays */
  renew(secret: JwtOptions['secret']): void {
    this.#current = signersOf(secret, this.#options);
  }
}

/** Copies the lists, because the caller may change them before a renewal. */
function withOwnLists(options: Omit<JwtOptions, 'secret'>): Omit<JwtOptions, 'secret'> {
  const { audience, requiredClaims } = options;
  return {
    ...options,
    // `sign` writes a list as a list and a string as a string.
    ...(typeof audience === 'object' && { audience: [...audience] }),
    ...(requiredClaims !== undefined && { requiredClaims: [...requiredClaims] }),
  };
}

function signersOf(
  secret: JwtOptions['secret'],
  options: Omit<JwtOptions, 'secret'>,
): Signers {
  const { issuer, maxTokenLength, now } = options;
  return {
    jwt: new Jwt({ ...options, secret }),
    refreshTokens: new RefreshTokens({
      secret,
      ...(issuer !== undefined && { issuer }),
      ...(maxTokenLength !== undefined && { maxTokenLength }),
      ...(now !== undefined && { now }),
    }),
  };
}
