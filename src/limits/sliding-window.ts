/**
 * How counts are kept: a sliding window for each key, divided into slots. The counts in memory and
 * those in PostgreSQL share this rule, so that they give the same answers.
 */

/**
 * A try is forgotten together with its slot, so up to one slot late. More slots would be more exact
 * and take more room.
 */
export const SLOTS_PER_WINDOW = 12;

/** The tries of one slot that have ended and still count. */
export interface EndedTries {
  readonly tries: number;
  /** The seconds until they are forgotten. */
  readonly secondsLeft: number;
}

/**
 * @param inFlight tries that have begun and not ended
 * @param ended the slots that still count, oldest first
 * @returns seconds until one more try may begin; 0 if it may begin now
 */
export function waitSeconds(
  maxTries: number,
  inFlight: number,
  ended: readonly EndedTries[],
): number {
  let remaining = triesIn(ended);
  if (remaining + inFlight < maxTries) return 0;
  // If the limit is reached only because of tries in flight, one second is enough: they end soon.
  // If ended tries reach it alone, the client waits until enough of the oldest are forgotten.
  let wait = 1;
  for (const { tries, secondsLeft } of ended) {
    if (remaining < maxTries) break;
    remaining -= tries;
    wait = secondsLeft;
  }
  return wait;
}

export function triesIn(slots: readonly { readonly tries: number }[]): number {
  return slots.reduce((sum, { tries }) => sum + tries, 0);
}
