/** Which texts PostgreSQL stores as they are. */
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
