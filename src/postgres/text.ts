/** Texts in PostgreSQL: which ones it stores unchanged, how JSON is read, and their order. */
import { describe } from '../values.ts';

/**
 * @returns false for text with NUL, which PostgreSQL refuses, or lone surrogates, which pg changes
 */
export function isStorable(text: unknown): text is string {
  return typeof text === 'string' && text.isWellFormed() && !text.includes('\0');
}

/**
 * @returns the value
 * @throws TypeError if the value cannot be stored as it is
 */
export function storableText(name: string, value: unknown): string {
  if (isStorable(value)) return value;
  throw new TypeError(`"${name}" expected Unicode text without NUL, got ${describe(value)}`);
}

/** @returns undefined for a value that is not JSON text; the error of the parser would quote it */
export function parsedJson(value: unknown): unknown {
  try {
    return typeof value === 'string' ? JSON.parse(value) : undefined;
  } catch {
    return undefined;
  }
}

/** A condition on a text of the database: `text >= $1`. */
export interface TextCondition {
  readonly operator: '>' | '>=';
  /** A text that the database can store, and so compare. */
  readonly text: string;
}

const FIRST_UNSTORABLE = /[\0\p{Surrogate}]/u;
/** The first character after the surrogates. */
const AFTER_SURROGATES = '\ue000';

/**
 * Finds the texts of the database that come after a text in code point order. The text itself may
 * be one that cannot be stored.
 * @param text undefined for all texts
 */
export function startAfter(text: string | undefined): TextCondition {
  if (text === undefined) return { operator: '>=', text: '' };
  const index = text.search(FIRST_UNSTORABLE);
  if (index === -1) return { operator: '>', text };
  const start = text.slice(0, index);
  // No stored text has a character as low as NUL, so every longer text that begins alike is later.
  if (text[index] === '\0') return { operator: '>', text: start };
  return { operator: '>=', text: start + AFTER_SURROGATES };
}
