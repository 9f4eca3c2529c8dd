/** Session stores that record their calls, fail, or answer late. */
import assert from 'node:assert/strict';
import { AuthError } from '../../src/errors.ts';
import { MemorySessionStore } from '../../src/sessions/memory.ts';
import type { SessionsOptions } from '../../src/sessions/options.ts';
import { Sessions } from '../../src/sessions/sessions.ts';
import type { Session, SessionRecord, SessionStore } from '../../src/sessions/store.ts';
import { NOW } from './session-rules.ts';

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

/** Sessions with a clock that a test sets, over a store that answers at once. */
export function makeSessions(options: Partial<SessionsOptions> = {}): {
  readonly clock: { now: number };
  readonly store: WatchedSessionStore;
  readonly sessions: Sessions;
} {
  const clock = { now: NOW };
  const store = new WatchedSessionStore();
  const sessions = new Sessions({ store, now: () => clock.now, ...options });
  return { clock, store, sessions };
}

/** Sessions over a store that answers with promises. `store` is the one behind it. */
export function makeSlowSessions(): {
  readonly store: WatchedSessionStore;
  readonly slow: PromiseSessionStore;
  readonly sessions: Sessions;
} {
  const slow = new PromiseSessionStore();
  return { store: slow.inner, slow, sessions: new Sessions({ store: slow, now: () => NOW }) };
}

/** A session at generation 1 whose access token was not used yet. */
export async function startUnused(sessions: Sessions, userId = 'joe'): Promise<Session> {
  const { id } = await sessions.start(userId, { isRefreshable: true });
  const { session } = await sessions.refresh(userId, id, 0);
  return session ?? assert.fail();
}
