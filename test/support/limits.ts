/** Accounts with rate limits, under a clock that a test moves by hand. */
import assert from 'node:assert/strict';
import {
  Accounts,
  AuthError,
  MemoryUserStore,
  type AccountsOptions,
  type AuthRequest,
} from '../../src/index.ts';
import { cheapPasswords } from './app.ts';

export const PASSWORD = 'correct horse';
export const HOUR = 3600;
export const MINUTE = 60;

/** Where the clocks of these tests start: January 2027. */
export const START_SECONDS = 1_800_000_000;

/** A login with its address, in plain objects. */
export const loginRequest = (
  username: string,
  password: string,
  address?: string,
): AuthRequest => ({ json: () => ({ username, password }), address });

interface LimitedAccounts {
  readonly accounts: Accounts;
  readonly clock: { seconds: number };
  readonly signUp: (username: string, address?: string) => Promise<unknown>;
  /** @returns whether the password is right, or the seconds to wait */
  readonly logIn: (
    username: string,
    password: string,
    address?: string,
  ) => Promise<boolean | number>;
}

/** Accounts under a clock that stands until a test moves it. */
export function makeLimitedAccounts(options: Partial<AccountsOptions> = {}): LimitedAccounts {
  const clock = { seconds: START_SECONDS };
  const users = new MemoryUserStore();
  const now = () => clock.seconds;
  const accounts = new Accounts({ users, passwords: cheapPasswords(), now, ...options });
  return {
    accounts,
    clock,
    signUp: (username, address) => {
      return accounts.signup({ username, password: PASSWORD }, { address });
    },
    logIn: (username, password, address) => {
      const login = accounts.authenticate(username, password, { address });
      return login.then((user) => user !== undefined, waitOf);
    },
  };
}

/** @returns the seconds that a throttled client has to wait; any other error fails */
export function waitOf(error: unknown): number {
  assert.ok(error instanceof AuthError && error.code === 'ERR_THROTTLED', String(error));
  assert.equal(error.status, 429);
  return Number(error.headers['Retry-After']);
}

/** @returns the answers of `count` calls, one after the other */
export async function inTurn<T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let index = 0; index < count; index += 1) answers.push(await call(index));
  return answers;
}

/** The answers to so many wrong passwords that were checked. */
export function wrongs(count: number): boolean[] {
  return Array<boolean>(count).fill(false);
}

/** @returns an IPv4 address for each number below 2^24 */
export function addressOf(index: number): string {
  return `11.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
}
