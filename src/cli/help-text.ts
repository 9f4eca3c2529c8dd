/** Lays out the help of a command: its flags in two columns, below the headings of their groups. */

import type { AnyFlags } from './arguments.ts';

/** @returns the rows of all flags for a help text, below the headings of their groups */
export function helpOf(flags: AnyFlags): string {
  const groups = new Map<string, string[]>();
  for (const { name, group, help, kind, defaultText, variable } of Object.values(flags)) {
    const lines = groups.get(group) ?? [`${group}:`];
    const notes = [
      ...(variable === undefined ? [] : [`env ${variable}`]),
      ...(defaultText === undefined ? [] : [`default ${defaultText}`]),
    ];
    lines.push(helpRow(`${name} ${kind.placeholder}`.trimEnd(), help, notes.join(', ')));
    groups.set(group, lines);
  }
  return [...groups.values()].map((lines) => lines.join('\n')).join('\n\n');
}

const HELP_COLUMNS = 80;
/** The left column. Only the first line of a row has text in it. */
const LEFT_COLUMN = ' '.repeat(29);

/**
 * @param label the flag with its placeholder; a long one gets a line of its own
 * @param note stands in parentheses behind the phrase, or below it if the line would be too long
 * @returns a row of the help in two columns, as one or more lines
 */
export function helpRow(label: string, phrase: string, note = ''): string {
  const phraseWithNote = note === '' ? phrase : `${phrase} (${note})`;
  const isOneLine = LEFT_COLUMN.length + phraseWithNote.length <= HELP_COLUMNS;
  const rightColumn = isOneLine ? [phraseWithNote] : [phrase, `(${note})`];
  const lines = rightColumn.map((text) => `${LEFT_COLUMN}${text}`);
  const left = `  ${label}`;
  const isLabelLong = left.length > LEFT_COLUMN.length - 2;
  if (isLabelLong) return [left, ...lines].join('\n');
  return left + lines.join('\n').slice(left.length);
}
