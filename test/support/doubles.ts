/** A store and a hasher that do their work and record their calls. */
import assert from 'node:assert/strict';
import { MemoryUserStore, PasswordHasher, type User } from '../../src/index.ts';

/** Records what was written, so that a test sees whether a refusal left the store as it was. */
export class WatchedStore extends MemoryUserStore {
  readonly written: User[] = [];

  override find(id: string): User | undefined {
    assert.equal(typeof id, 'string');
    return super.find(id);
  }

  override insert(user: User): boolean {
    return super.insert(user) && this.written.push(user) > 0;
  }

  override update(user: User): boolean {
    return super.update(user) && this.written.push(user) > 0;
  }
}

/** Records its calls and their outcomes. */
export class WatchedHasher extends PasswordHasher {
  readonly calls: string[] = [];
  /** `done`, or the code of the error, of each call. */
  readonly outcomes: Promise<string>[] = [];

  override hash(password: string, signal?: AbortSignal): Promise<string> {
    return this.#watch('hash', super.hash(password, signal));
  }

  override verify(
    password: string,
    stored: string | undefined,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return this.#watch('verify', super.verify(password, stored, signal));
  }

  override needsRehash(stored: string): boolean {
    this.calls.push('needsRehash');
    return super.needsRehash(stored);
  }

  #watch<T>(call: string, outcome: Promise<T>): Promise<T> {
    this.calls.push(call);
    this.outcomes.push(outcome.then(() => 'done', (error) => String(error.code)));
    return outcome;
  }
}
