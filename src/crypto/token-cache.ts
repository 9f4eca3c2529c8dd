/**
 * The cache of verified tokens: the text of a token -> its claims.
 * Promise: exact and bounded. The key is the whole text, so two tokens never share an entry. Only
 * Jwt.verify adds an entry, after every check has passed, so a client without a valid token cannot
 * fill the cache. The cache does not look at the clock; verify does so every time.
 *
 * Accepted: a Map look-up does not take constant time. Its time tells at most whether a text is
 * cached, and only to a client that already holds the whole text. V8 seeds its string hashes at
 * random for each process.
 */
export class TokenCache<Claims extends object> {
  readonly #entries = new Map<string, Entry<Claims>>();
  readonly #size: number;

  /** @param size how many tokens at most, each kept as the string it came in; 0 caches none */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns the entry of exactly this token. A caller that accepts it sets its `isUsed`. */
  get(token: string): Entry<Claims> | undefined {
    return this.#size === 0 ? undefined : this.#entries.get(token);
  }

  /** Adds a token. A full cache first evicts by CLOCK (second chance). */
  set(token: string, claims: Claims): void {
    // V8 hashes a longer string by its length alone, so a look-up would compare it with every other
    // string of that length.
    if (this.#size === 0 || token.length > 16_383) return;
    // A Map keeps the order of insertion. Finding its first key walks over the slots of deleted
    // keys, so a large cache evicts size/1000 at a time.
    let leaving = this.#entries.size < this.#size ? 0 : Math.ceil(this.#size / 1000);
    // A used entry moves to the back once, as unused, and this loop may meet it again there. After
    // 100 looks an entry is evicted even if it was used.
    let looks = 0;
    for (const [oldest, entry] of this.#entries) {
      if (leaving === 0) break;
      this.#entries.delete(oldest);
      if (entry.isUsed && looks < 100) this.#entries.set(oldest, { ...entry, isUsed: false });
      else leaving -= 1;
      looks += 1;
    }
    this.#entries.set(token, { claims, isUsed: false });
  }
}

type Entry<Claims> = { readonly claims: Claims; isUsed: boolean };
