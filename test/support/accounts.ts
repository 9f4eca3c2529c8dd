/** Accounts over a store that remembers its writes, and what tests of accounts compare. */
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { Accounts, type AccountsOptions, type User } from '../../src/index.ts';
import { cheapPasswords } from './app.ts';
import { WatchedStore } from './doubles.ts';

export const PASSWORD = 'correct horse';
export const JOE = { username: 'joe', password: PASSWORD };

interface WatchedAccounts {
  readonly users: WatchedStore;
  readonly accounts: Accounts;
}

/** Accounts with cheap hashes, over a store of their own. */
export function makeAccounts(options: Partial<AccountsOptions> = {}): WatchedAccounts {
  const users = new WatchedStore();
  return { users, accounts: new Accounts({ users, passwords: cheapPasswords(), ...options }) };
}

/** What `assert.rejects` expects of an AuthError. */
export function refusal(code: string): { name: string; code: string } {
  return { name: 'AuthError', code };
}

/** @returns the record in the store of a user that a program got */
export function storedIn(users: WatchedStore, { id }: { readonly id: string }): User {
  return users.find(id) ?? assert.fail(`the store has no ${id}`);
}

/** A hash as Werkzeug (Flask) writes it, at a low cost. */
export function werkzeugHash(password: string): string {
  const key = scryptSync(password, 'a0B1', 64, { N: 4, r: 8, p: 1 });
  return `scrypt:4:8:1$a0B1$${key.toString('hex')}`;
}
