/**
 * The cache of verified tokens: the text of a token -> its claims.
 * Promise: exact and bounded. The key is the whole text, so two tokens never share an entry. Only
 * Jwt.verify adds an entry, after every check has passed, so a client without a valid token cannot
 * fill the cache. The cache does not look at the clock; verify does so every time.
 *
 * Accepted: a Map look-up does not take constant time. Its time tells at most whether a text is
 * cached, and only to a client that holds the whole text. V8 seeds its string hashes at random.
 */
export class TokenCache<Claims extends object> {
  readonly #entries = new Map<string, Entry<Claims>>();
  readonly #size: number;

  /** @param size the greatest number of tokens, each kept with its whole text; 0 caches none */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns the entry of this token. A caller that accepts the token sets `isUsed` to true. */
  get(token: string): Entry<Claims> | undefined {
    return this.#size === 0 ? undefined : this.#entries.get(token);
  }

  /**
   * Adds a token. A full cache first evicts by CLOCK (second chance), from the front of the queue:
   * a used entry goes to the back and is marked as unused, an unused one is evicted.
   */
  set(token: string, claims: Claims): void {
    // V8 hashes a longer string by its length alone, so a look-up would compare it with every other
    // string of that length.
    if (this.#size === 0 || token.length > 16_383) return;
    // The queue is the Map, which keeps the order of insertion. To find its first key, V8 walks
    // over the slots of deleted keys, so a large cache evicts size/1000 entries at a time.
    let toEvict = this.#entries.size < this.#size ? 0 : Math.ceil(this.#size / 1000);
    // If all entries are used, visiting each would take long. After 100 visits an entry is evicted
    // even if it was used.
    let visits = 0;
    for (const [visited, entry] of this.#entries) {
      if (toEvict === 0) break;
      this.#entries.delete(visited);
      if (entry.isUsed && visits < 100) this.#entries.set(visited, { ...entry, isUsed: false });
      else toEvict -= 1;
      visits += 1;
    }
    this.#entries.set(token, { claims, isUsed: false });
  }
}

type Entry<Claims> = { readonly claims: Claims; isUsed: boolean };
