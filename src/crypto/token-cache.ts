/**
 * The memory of tokens that verified: the text of a token -> the claims it carries.
 * Promise: exact and bounded. The key is the whole text, so two tokens never share an entry. Only Jwt.verify adds one,
 * after every check has passed, so a stranger cannot fill it. The clock is not asked here; verify asks it each time.
 *
 * Accepted: a Map look-up is not constant in time. It tells at most whether a text that the asker already holds in full
 * is remembered, and V8 seeds its string hashes at random for each process.
 */
export class TokenCache<Claims extends object> {
  readonly #entries = new Map<string, Entry<Claims>>();
  readonly #size: number;

  /** @param size how many tokens at most, each kept as the string it came in; 0 remembers none */
  constructor(size: number) {
    this.#size = size;
  }

  /** @returns the entry of exactly this token, or undefined. Who finds its claims still valid marks it as used. */
  get(token: string): Entry<Claims> | undefined {
    return this.#size === 0 ? undefined : this.#entries.get(token);
  }

  /** Remembers a token. Where there is no room, the oldest goes that was not used since its last turn ("clock"). */
  set(token: string, claims: Claims): void {
    // V8 hashes a longer string by its length alone: a look-up would compare it with every other of that length.
    if (this.#size === 0 || token.length > 16_383) return;
    // A Map keeps the order of insertion. The way to its first key leads past all that was deleted before it, so a
    // large cache gives up more than one.
    let leaving = this.#entries.size < this.#size ? 0 : Math.ceil(this.#size / 1000);
    // An entry that was used is put behind all others, where this loop may meet it again, now as
    // unused. After 100 looks an entry leaves even if it was used.
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
