/**
 * What a program gets to know of an account. Promise: the hash of the password stays between the
 * store and `Accounts`, so that no handler can send or log it by passing on the user that it got.
 */

import type { User } from '../users/store.ts';

/** An account as signup, login and guard answer it: a frozen object with these three members. */
export interface PublicUser {
  /** The canonical username: the key of the store, and what a token carries as its identity. */
  readonly id: string;
  /** The username as it was first written: what people are greeted with. */
  readonly username: string;
  /** When the account was made: ISO 8601, UTC. */
  readonly createdAt: string;
}

/** @returns a new object, whatever else the record of the store has */
export function publicUserOf({ id, username, createdAt }: User): PublicUser {
  return Object.freeze({ id, username, createdAt });
}
