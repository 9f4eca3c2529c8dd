/**
 * What a program gets to know of an account. Promise: the hash of the password stays between the
 * store and `Accounts`, so that no handler can send or log it by passing on the user that it got.
 */

import type { PublicUser, User } from '../users/store.ts';

/** @returns a new object with three members, whatever else the record of the store has */
export function publicUserOf({ id, username, createdAt }: User): PublicUser {
  return Object.freeze({ id, username, createdAt });
}
