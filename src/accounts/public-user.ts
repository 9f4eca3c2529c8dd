/**
 * The members of a user record that handlers and hooks get.
 * Promise: the password hash stays between the store and `Accounts`. A handler that sends or logs
 * the user cannot reveal the hash.
 */

import type { PublicUser, User } from '../users/store.ts';

/** @returns a new frozen object with these three members, even if the record has more */
export function publicUserOf({ id, username, createdAt }: User): PublicUser {
  return Object.freeze({ id, username, createdAt });
}
