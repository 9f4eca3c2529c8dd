/** Names of tables, and parameters, as they stand in a statement. */
import { hash } from 'node:crypto';
import { matching, type Check } from '../options.ts';

/** PostgreSQL cuts a longer name off without an error, in bytes of UTF-8. */
const MAX_NAME_LENGTH = 63;

export const tableCheck: Check = matching(
  'a table name such as latchkey_users or auth.users',
  /^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/i,
);

/** @returns a checked table name for a statement. The quotation marks keep the letter case. */
export function quoted(table: string): string {
  return table.split('.').map((name) => `"${name}"`).join('.');
}

/**
 * Names a second table in the schema of the first. If that name would be too long, the first one is
 * shortened, and 12 digits of its SHA-256 keep it apart from others that begin alike.
 * @param table a checked table name
 * @param suffix such as `_removed`
 */
export function tableBeside(table: string, suffix: string): string {
  const parts = table.split('.');
  const name = parts.pop() ?? '';
  const room = MAX_NAME_LENGTH - suffix.length;
  const digest = `_${hash('sha256', name).slice(0, 12)}`;
  const start = name.length <= room ? name : name.slice(0, room - digest.length) + digest;
  return [...parts, start + suffix].join('.');
}

/**
 * @param count how many parameters
 * @param first the number of the first one
 * @returns `$1, $2, $3`
 */
export function parameters(count: number, first = 1): string {
  return Array.from({ length: count }, (_, index) => `$${first + index}`).join(', ');
}
