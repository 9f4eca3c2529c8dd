/**
 * `latchkey users list`: writes the users page by page, so that memory holds the text of one page
 * only.
 * Promise: no name controls the terminal or breaks the line.
 */
import { hasCode } from '../../journal/system-errors.ts';
import { propertyOf } from '../../values.ts';
import { writeOutput } from '../output.ts';
import { printable, printableJson } from '../printable.ts';
import {
  pagesOf,
  type ListedUser,
  type UserAdministration,
} from '../administration/user-administration.ts';

const HEADINGS: Cells = ['ID', 'USERNAME', 'CREATED', 'STATE'];

type Cells = readonly [id: string, username: string, createdAt: string, state: string];

/**
 * Writes all users, sorted by id: a table for people, or one JSON object a line. Returns early if
 * the reader of a pipe ends, as `head` does.
 * @throws AuthError or CommandError if the users cannot be read; CommandError if `output` fails
 */
export async function listUsers(
  administration: Pick<UserAdministration, 'list'>,
  output: NodeJS.WritableStream,
  isJson: boolean,
): Promise<void> {
  const pages = pagesOf((after) => administration.list(after));
  try {
    await (isJson ? writeJson(pages, output) : writeTable(pages, output));
  } catch (error) {
    const isReaderGone = hasCode(propertyOf(error, 'cause'), 'EPIPE');
    if (!isReaderGone) throw error;
  }
}

type Pages = AsyncIterable<readonly ListedUser[]>;

async function writeJson(pages: Pages, output: NodeJS.WritableStream): Promise<void> {
  for await (const page of pages) await writeOutput(output, page.map(jsonOf).join(''));
}

async function writeTable(pages: Pages, output: NodeJS.WritableStream): Promise<void> {
  let headings = [HEADINGS];
  for await (const page of pages) {
    await writeOutput(output, tableOf([...headings, ...page.map(cellsOf)]));
    headings = [];
  }
  // Without users there was no page.
  if (headings.length > 0) await writeOutput(output, tableOf(headings));
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
