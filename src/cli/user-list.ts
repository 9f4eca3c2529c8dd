/**
 * `latchkey users list`: writes the users page by page, so that memory holds one page only.
 * Promise: no name controls the terminal or breaks the line.
 */
import { hasCode } from '../journal/system-errors.ts';
import { propertyOf } from '../values.ts';
import { writeOutput } from './output.ts';
import { printable, printableJson } from './printable.ts';
import type { ListedUser, UserAdministration } from './user-administration.ts';

const HEADINGS: Cells = ['ID', 'USERNAME', 'CREATED', 'STATE'];

type Cells = readonly [id: string, username: string, createdAt: string, state: string];

/**
 * Writes all users, sorted by id: a table for people, or one JSON object a line. Returns early if
 * the reader of a pipe ends, as `head` does.
 * @throws AuthError ERR_STORE
 * @throws CommandError if `output` fails
 */
export async function listUsers(
  administration: Pick<UserAdministration, 'list'>,
  output: NodeJS.WritableStream,
  isJson: boolean,
): Promise<void> {
  try {
    let rows: Cells[] = isJson ? [] : [HEADINGS];
    for await (const page of pagesOf(administration)) {
      rows.push(...(isJson ? [] : page.map(cellsOf)));
      await writeOutput(output, isJson ? page.map(jsonOf).join('') : tableOf(rows));
      rows = [];
    }
    // Without users there was no page, so the headings are still to be written.
    if (rows.length > 0) await writeOutput(output, tableOf(rows));
  } catch (error) {
    const isReaderGone = hasCode(propertyOf(error, 'cause'), 'EPIPE');
    if (!isReaderGone) throw error;
  }
}

async function* pagesOf(
  administration: Pick<UserAdministration, 'list'>,
): AsyncGenerator<readonly ListedUser[]> {
  let after: string | undefined;
  for (;;) {
    const page = await administration.list(after);
    if (page.length === 0) return;
    yield page;
    after = page.at(-1)?.id;
  }
}

function jsonOf({ id, username, createdAt, isDisabled }: ListedUser): string {
  return `${printableJson(JSON.stringify({ id, username, createdAt, isDisabled }))}\n`;
}

function cellsOf({ id, username, createdAt, isDisabled }: ListedUser): Cells {
  const state = isDisabled ? 'disabled' : 'enabled';
  return [printable(id), printable(username), printable(createdAt), state];
}

/** The columns of a page are as wide as its widest cells, in code points. */
function tableOf(rows: readonly Cells[]): string {
  const widths = HEADINGS.map((_, column) => {
    return rows.reduce((widest, cells) => Math.max(widest, lengthOf(cells[column] ?? '')), 0);
  });
  const lines = rows.map((cells) => {
    const padded = cells.map((cell, column) => {
      return cell + ' '.repeat((widths[column] ?? 0) - lengthOf(cell));
    });
    return `${padded.join('  ').trimEnd()}\n`;
  });
  return lines.join('');
}

function lengthOf(text: string): number {
  return [...text].length;
}
