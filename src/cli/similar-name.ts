/** Finds the name that an operator probably meant by one that does not exist. */

/** One letter added, left out or changed is one edit; two neighbours exchanged are one as well. */
const MAX_EDITS = 2;

/** A shorter beginning, such as `--t`, would say little about the name that was meant. */
const MIN_BEGINNING = '--min'.length;

/**
 * Letter case, underscores and the number of hyphens at the start do not count.
 * @returns the known name that differs by the fewest edits, at most two; else the only known name
 *   that begins with the given one; else undefined
 */
export function mostSimilar(name: string, known: readonly string[]): string | undefined {
  const given = `--${name.toLowerCase().replace(/^-*/, '').replaceAll('_', '-')}`;
  // The distance grows with the product of both lengths, and an argument may be very long.
  if (given.length > 40) return undefined;
  const distances = known.map((candidate) => {
    return { candidate, edits: editsBetween(given, candidate) };
  });
  const [nearest] = distances.sort((one, other) => one.edits - other.edits);
  if (nearest !== undefined && nearest.edits <= Math.min(MAX_EDITS, given.length - 4)) {
    return nearest.candidate;
  }
  const longer = known.filter((candidate) => candidate.startsWith(given));
  return given.length >= MIN_BEGINNING && longer.length === 1 ? longer[0] : undefined;
}

/** The distance of Damerau and Levenshtein, in the form that edits no part twice. */
function editsBetween(one: string, other: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const isSame = one[row - 1] === other[column - 1];
      const isExchange = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current.push(Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (isSame ? 0 : 1),
        isExchange ? (beforePrevious[column - 2] ?? 0) + 1 : Infinity,
      ));
    }
    [beforePrevious, previous] = [previous, current];
  }
  return previous.at(-1) ?? 0;
}
