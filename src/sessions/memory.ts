import { copyOfRecord, mayReplaceRecord, type SessionRecord, type SessionStore } from './store.ts';

/**
 * Keeps sessions in memory until the process ends. For tests and trials.
 * @example
 * const sessions = new Sessions({ store: new MemorySessionStore() });
 * const app = createApp({ secret, users, sessions });
 */
export class MemorySessionStore implements SessionStore {
  readonly #records = new Map<string, SessionRecord>();

  find(userId: string): SessionRecord | undefined {
    return this.#records.get(userId);
  }

  put(userId: string, record: SessionRecord): boolean {
    if (!mayReplaceRecord(this.#records.get(userId), record)) return false;
    this.#records.set(userId, copyOfRecord(record));
    return true;
  }

  /** Does nothing: memory can always be read and written. */
  check(): void {}

  /** Does nothing. With it a test may write `await using` as for a file. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
