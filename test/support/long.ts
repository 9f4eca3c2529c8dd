/**
 * Marks what only the long form of the tests runs: `npm test -- --long`, and a file that is run
 * alone. The short form, `npm test`, keeps a quick test of each behaviour.
 */

/** Set by `test/run.ts`. */
export const IS_SHORT = process.env['TEST_SHORT'] === '1';

/** The options of a test or a suite that only the long form runs. */
export const LONG = { skip: IS_SHORT && 'only npm test -- --long runs it' };

/** @returns all rows of a table; in the short form every tenth one, and at least the first */
export function someOf<Row>(rows: Iterable<Row>): Row[] {
  return [...rows].filter((_, index) => !IS_SHORT || index % 10 === 0);
}

/** @returns how often to repeat something: in the short form a tenth of the rounds */
export function roundsOf(rounds: number): number {
  return IS_SHORT ? Math.ceil(rounds / 10) : rounds;
}
