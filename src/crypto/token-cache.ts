/**
 * The memory of tokens that verified: the text of a token -> the claims it carries.
 * Promise: exact and bounded. The key is the whole text, so two tokens never share an entry. Only Jwt.verify adds one,
 * after every check has passed, so a stranger cannot fill it. The clock is not asked here; verify asks it each time.
 *
 * Accepted: a Map look-up is not constant in time. It tells at most whether a text that the asker already holds in full
 * is remembered, and V8 seeds its string hashes at random for each process.
 */
export class TokenCache<Claims extends object> {
  readonly #entries = new Map<string, Claims>();
  readonly #size: number;

  /** @param size how many tokens at most, each kept as the string it came in; 0 remembers none */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns the claims of exactly this token, or undefined */
  get(token: string): Claims | undefined {
    return this.#entries.get(token);
  }

  /** Remembers a token as the one used last. Where there is no room, the one unused for longest goes. */
  set(token: string, claims: Claims): void {
    // V8 hashes a longer string by its length alone: a look-up would compare it with every other of that length.
    if (this.#size === 0 || token.length > 16_383) return;
    // A Map keeps the order of insertion, so its first key is the one unused for longest.
    this.#entries.delete(token);
    this.#entries.set(token, claims);
    if (this.#entries.size <= this.#size) return;
    // The way to the first key leads past all that was deleted before it, so a large cache gives up more than one.
    const kept = this.#size - Math.floor((this.#size - 1) / 1000);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= kept) break;
      this.#entries.delete(oldest);
    }
  }
}
