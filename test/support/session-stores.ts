/** Session stores that record their calls, fail, or answer late. */
import { AuthError } from '../../src/errors.ts';
import { MemorySessionStore } from '../../src/sessions/memory.ts';
import type { SessionRecord, SessionStore } from '../../src/sessions/store.ts';

/** Answers at once. Counts its writes, and can refuse them or let another server go first. */
export class WatchedSessionStore extends MemorySessionStore {
  finds = 0;
  /** How often `put` stored a record. */
  writes = 0;
  /** How often `put` found another version. */
  lostPuts = 0;
  /** How often `put` threw `failure`. */
  failures = 0;
  failure: Error | undefined;
  /** Whether a `put` that throws `failure` stores the record all the same. */
  storesDespiteFailure = false;
  /** Runs before each write, as another server would. */
  beforePut: (() => void) | undefined;

  override find(userId: string): SessionRecord | undefined {
    this.finds += 1;
    return super.find(userId);
  }

  override put(userId: string, record: SessionRecord): boolean {
    this.beforePut?.();
    if (this.failure !== undefined) {
      this.failures += 1;
      if (this.storesDespiteFailure) super.put(userId, record);
      throw this.failure;
    }
    const isStored = super.put(userId, record);
    if (isStored) this.writes += 1;
    else this.lostPuts += 1;
    return isStored;
  }
}

/** Answers with promises, each some turns of the event loop later. */
export class PromiseSessionStore implements SessionStore {
  readonly inner: WatchedSessionStore = new WatchedSessionStore();

  async find(userId: string): Promise<SessionRecord | undefined> {
    const record = this.inner.find(userId);
    await new Promise(setImmediate);
    return record;
  }

  async put(userId: string, record: SessionRecord): Promise<boolean> {
    await new Promise(setImmediate);
    return this.inner.put(userId, record);
  }
}

export const storeError = (): AuthError => new AuthError('ERR_STORE');
