/** What a client knows: the values that a fact may have. */

/** An answer that the model forbids. The message holds neither a password nor a token. */
export class Forbidden extends Error {
  override readonly name = 'Forbidden';
}

/**
 * The values that a fact may have. A request without an answer adds some, and an answer rules some
 * out. If an answer rules out the last one, the server has broken a promise.
 */
export class Possible<T> {
  readonly #fact: string;
  #values: Set<T>;

  /** @param fact names the value in messages, such as `password of joe` */
  constructor(fact: string, value: T) {
    this.#fact = fact;
    this.#values = new Set([value]);
  }

  get values(): readonly T[] {
    return [...this.#values];
  }

  has(value: T): boolean {
    return this.#values.has(value);
  }

  isSurely(value: T): boolean {
    return this.#values.size === 1 && this.has(value);
  }

  /** The value is known, because the server has said so. */
  set(value: T): void {
    this.#values = new Set([value]);
  }

  /** The value may be this one as well. */
  add(value: T): void {
    this.#values.add(value);
  }

  /** @throws Forbidden if the value cannot be this one */
  is(value: T, because: string): void {
    if (!this.has(value)) throw this.#excluded(because);
    this.set(value);
  }

  /** @throws Forbidden if the value must be this one */
  isNot(value: T, because: string): void {
    if (this.isSurely(value)) throw this.#excluded(because);
    this.#values.delete(value);
  }

  #excluded(because: string): Forbidden {
    return new Forbidden(`${because}, which the known ${this.#fact} excludes`);
  }
}
