/** Finds the flag, the command or the option that a person probably meant by an unknown name. */

/** An edit adds, leaves out or changes one letter, or exchanges two neighbours. */
const MAX_EDITS = 2;

/** Fewer edits in a short name, because any two short names differ by few. */
const CHARACTERS_PER_EDIT = 3;

/**
 * Far longer than any name. The work of a comparison grows with the product of both lengths, and an
 * argument may be very long.
 */
const MAX_CHARACTERS = 40;

/** A shorter beginning, such as `--t`, would say little about the name that was meant. */
const MIN_BEGINNING = 3;

/**
 * Letter case, hyphens and underscores do not count.
 * @returns the known name that differs by the fewest edits, at most two, and at most one for every
 *   three characters; else the only known name that begins with this one; else undefined
 */
export function mostSimilar(name: string, known: readonly string[]): string | undefined {
  if (name.length > MAX_CHARACTERS) return undefined;
  const typed = lettersOf(name);
  const maxEdits = Math.min(MAX_EDITS, Math.floor(typed.length / CHARACTERS_PER_EDIT));
  const distances = known.map((candidate) => {
    return { candidate, edits: editsBetween(typed, lettersOf(candidate)) };
  });
  const [nearest] = distances.sort((one, other) => one.edits - other.edits);
  if (nearest !== undefined && nearest.edits <= maxEdits) {
    return nearest.candidate;
  }
  const longer = known.filter((candidate) => lettersOf(candidate).startsWith(typed));
  return typed.length >= MIN_BEGINNING && longer.length === 1 ? longer[0] : undefined;
}

const lettersOf = (name: string) => name.toLowerCase().replace(/[-_]/g, '');

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
