/** A store and a hasher that do their work and remember what they were asked. */
import assert from 'node:assert/strict';
import { MemoryUserStore, PasswordHasher, type User } from '../../src/index.ts';

/** Remembers what was written, so that a refusal can be seen to leave the store as it was. */
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

/** Remembers what was asked of it, and what became of each password. */
export class WatchedHasher extends PasswordHasher {
  readonly calls: string[] = [];
  readonly outcomes: Promise<string>[] = [];

  override hash(password: string, signal?: AbortSignal): Promise<string> {
    return this.#watch('hash', super.hash(password, signal));
  }

  override verify(password: string, stored: string | undefined, signal?: AbortSignal): Promise<boolean> {
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
