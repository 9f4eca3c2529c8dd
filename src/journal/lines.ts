/**
 * The lines of a journal: UTF-8, one JSON object a line, `\n` after each. The first line names the
 * format and its version. Every other line is a record, whose first member is `op`.
 *
 * Each batch begins with an empty line and is written only after the batch before was synced. So an
 * empty line proves that everything above it is on disk, and a torn tail below the last one was
 * never acknowledged. A clean stop leaves an empty line at the end.
 */
import { isUtf8 } from 'node:buffer';
import { isObject } from '../values.ts';
import type { JournalRecord, RecordFormat, UnknownRecord } from './record-format.ts';

export const MAX_LINE_BYTES: number = 1 << 20;
export const EMPTY_LINE = '\n';

/** The name and the version of a format, which are all that its first line needs. */
type Named = Pick<RecordFormat<unknown>, 'name' | 'version'>;

export function headerLine({ name, version }: Named): string {
  return `${JSON.stringify({ format: name, version })}\n`;
}

/**
 * @param record its first member is `op`
 * @throws RangeError if the line would be over 1 MiB, which the reader refuses
 */
export function encodeRecord(record: JournalRecord): string {
  const line = `${JSON.stringify(record)}\n`;
  const bytes = Buffer.byteLength(line);
  if (bytes <= MAX_LINE_BYTES) return line;
  throw new RangeError(`a record expected a line of at most ${MAX_LINE_BYTES} bytes, got ${bytes}`);
}

/** @returns the lines of a block; a line that is not UTF-8 is undefined */
export function linesOf(block: Buffer): readonly (string | undefined)[] {
  if (isUtf8(block)) return block.toString('utf8').split('\n');
  // Latin 1 keeps every byte, so the lines around the one that is not UTF-8 can still be decoded.
  const lines = block.toString('latin1').split('\n');
  return lines.map((line) => decodeUtf8(Buffer.from(line, 'latin1')));
}

function decodeUtf8(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** @returns the object in a line, or what is wrong with the line */
export function parseLine(line: string | undefined): UnknownRecord | string {
  if (line === undefined) return 'is not UTF-8';
  if (line.startsWith('\ufeff')) return 'begins with a byte order mark';
  // JSON.parse skips a carriage return, but an editor that adds one may have changed more.
  if (line.endsWith('\r')) return 'ends in a carriage return';
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : 'is not a JSON object';
  } catch {
    return 'is not JSON';
  }
}

/** @returns what is wrong with the first line, if anything is */
export function headerProblem(header: UnknownRecord, { name, version }: Named): string | undefined {
  if (header['format'] !== name) return `does not name the format "${name}"`;
  if (header['version'] === version) return undefined;
  const advice = 'a newer latchkey may have written it';
  return `names another version of the format than ${version}: ${advice}`;
}

/** A string of JSON, or the beginning of one up to the end of the text. */
const STRING_OR_ITS_BEGINNING = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)/gs;

/** An object of JSON without its strings: punctuation, numbers, `true`, `false` and `null`. */
const OBJECT_WITHOUT_STRINGS = /^\{[-+.\dEaeflnrstu:,[\]{}]*$/;

/**
 * @returns whether the bytes can be the beginning of one line that `encodeRecord` wrote: an object
 *   of JSON without its end. Two lines that an editor has joined are not, nor is a comment.
 */
export function isTornRecord(bytes: Buffer): boolean {
  const withoutStrings = bytes.toString('latin1').replaceAll(STRING_OR_ITS_BEGINNING, '');
  if (!OBJECT_WITHOUT_STRINGS.test(withoutStrings)) return false;
  let depth = 0;
  for (const [bracket] of withoutStrings.matchAll(/[[\]{}]/g)) {
    depth += bracket === '{' || bracket === '[' ? 1 : -1;
    // The object has ended, and something follows it.
    if (depth === 0) return false;
  }
  return true;
}

/**
 * @returns whether this is the whole content of a file whose first write was interrupted: a part of
 *   the header, in which pages that did not reach the disk read as NUL
 */
export function isTornHeader(bytes: Buffer, format: Named): boolean {
  const header = Buffer.from(headerLine(format));
  if (bytes.length > header.length) return false;
  const isWhole = bytes.length >= header.length - 1 && !bytes.includes(0);
  return !isWhole && bytes.every((byte, index) => byte === 0 || byte === header[index]);
}
