/**
 * The ids of a store in the order of Unicode code points, for pages of users. They are sorted once,
 * for the first page. Each later write adds or removes at most one id, so a page costs a binary
 * search.
 */

export class SortedIds {
  /** Undefined until the first page. A store that is never listed spends no memory here. */
  #ids: string[] | undefined;

  /** @param isPresent whether the page lists this id after a write */
  set(id: string, isPresent: boolean): void {
    if (this.#ids === undefined) return;
    const index = firstIndexFrom(this.#ids, id);
    const isListed = this.#ids[index] === id;
    if (isPresent && !isListed) this.#ids.splice(index, 0, id);
    if (!isPresent && isListed) this.#ids.splice(index, 1);
  }

  /**
   * @param stored all entries of the store, from which the first call takes the ids
   * @param itemOf returns what the page shows of an entry; undefined if it does not show the entry
   * @param after the page begins behind this id; undefined for the first page
   */
  page<Stored, Item>(
    stored: ReadonlyMap<string, Stored>,
    itemOf: (entry: Stored | undefined) => Item | undefined,
    after: string | undefined,
    limit: number,
  ): Item[] {
    this.#ids ??= [...stored]
      .filter(([, entry]) => itemOf(entry) !== undefined)
      .map(([id]) => id)
      .sort(compareCodePoints);
    const items: Item[] = [];
    let index = after === undefined ? 0 : firstIndexFrom(this.#ids, after);
    if (this.#ids[index] === after) index += 1;
    for (; index < this.#ids.length && items.length < limit; index += 1) {
      const item = itemOf(stored.get(this.#ids[index] ?? ''));
      // A write changes the entries a moment before it calls `set`.
      if (item !== undefined) items.push(item);
    }
    return items;
  }
}

/** @returns the index of the first id that is not before `id`, by binary search */
function firstIndexFrom(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareCodePoints(ids[middle] ?? '', id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The operator `<` compares UTF-16 units. It puts a character beyond U+FFFF, which begins with a
 * unit of U+D800 to U+DBFF, before one of U+E000 to U+FFFF.
 * @returns a negative number if `left` comes first, 0 if both are the same text
 */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  let index = 0;
  while (index < length && left.charCodeAt(index) === right.charCodeAt(index)) index += 1;
  if (index === length) return left.length - right.length;
  // The texts may differ in the second half of a surrogate pair. Then the whole pair counts.
  const byPair = index === 0 ? 0 : codePointAt(left, index - 1) - codePointAt(right, index - 1);
  return byPair !== 0 ? byPair : codePointAt(left, index) - codePointAt(right, index);
}

function codePointAt(text: string, index: number): number {
  return text.codePointAt(index) ?? 0;
}
