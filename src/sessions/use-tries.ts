/**
 * Remembers recent tries to store the first use of a generation. Otherwise every request at the
 * same moment would write, and so would every request while the store fails.
 */

/** A failed try is repeated after this time. */
const RETRY_SECONDS = 10;

/** How many tries are remembered. The oldest is dropped, so it may be repeated early. */
const MAX_TRIES = 10_000;

interface Try {
  readonly generation: number;
  readonly at: number;
}

/** The latest try of each session. */
export class UseTries {
  readonly #tries = new Map<string, Try>();

  /** @returns false if this generation was tried recently; otherwise true, and remembers the try */
  begin(sessionId: string, generation: number, now: number): boolean {
    const last = this.#tries.get(sessionId);
    const isRecent = last !== undefined && Math.abs(now - last.at) < RETRY_SECONDS;
    if (isRecent && last.generation === generation) return false;
    // Deleted first, so that the session becomes the newest of the Map.
    this.#tries.delete(sessionId);
    this.#tries.set(sessionId, { generation, at: now });
    const [oldest] = this.#tries.keys();
    if (oldest !== undefined && this.#tries.size > MAX_TRIES) this.#tries.delete(oldest);
    return true;
  }

  /** Forgets the try of a generation that was stored. */
  succeed(sessionId: string, generation: number): void {
    if (this.#tries.get(sessionId)?.generation === generation) this.#tries.delete(sessionId);
  }
}
