/**
 * The lines of a journal. The file is UTF-8, and each line ends with `\n`. A line is one JSON
 * object or empty. The first line is the header, with the name and the version of the format. Every
 * other object is a record, whose first member is `op`.
 *
 * Each batch of records begins with an empty line and is written only after the batch before it was
 * synced. So an empty line proves that everything above it is on disk, and a torn tail below the
 * last empty line was never acknowledged. A clean stop leaves an empty line at the end.
 */
import { isUtf8 } from 'node:buffer';
import { describe, isObject } from '../values.ts';
import {
  oldestVersionOf,
  type FormatVersions,
  type JournalRecord,
  type RawRecord,
  type RecordFormat,
} from './record-format.ts';

export const MAX_LINE_BYTES: number = 1 << 20;
export const EMPTY_LINE = '\n';

export function headerLine(name: string, version: number): string {
  return `${JSON.stringify({ format: name, version })}\n`;
}

/**
 * @param record no name of a member may be a whole number: JSON would write it before `op`
 * @returns the line of a record, with `op` as its first member
 * @throws RangeError if the line would be over 1 MiB, which the reader refuses
 */
export function encodeRecord(record: JournalRecord): string {
  const { op, ...others } = record;
  const line = `${JSON.stringify({ op, ...others })}\n`;
  const bytes = Buffer.byteLength(line);
  if (bytes <= MAX_LINE_BYTES) return line;
  throw new RangeError(`"record" expected a line of at most ${MAX_LINE_BYTES} bytes, got ${bytes}`);
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

/** The object of a line, or the reason why the line has none. */
export type ParsedLine =
  | { readonly record: RawRecord; readonly problem?: undefined }
  | { readonly problem: string };

/** @param line undefined if the line is not UTF-8 */
export function parseLine(line: string | undefined): ParsedLine {
  if (line === undefined) return { problem: 'is not UTF-8' };
  if (line.startsWith('\ufeff')) return { problem: 'begins with a byte order mark' };
  // JSON.parse ignores a carriage return, but an editor that adds one may have changed more.
  if (line.endsWith('\r')) return { problem: 'ends in a carriage return' };
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? { record: value } : { problem: 'is not a JSON object' };
  } catch {
    return { problem: 'is not JSON' };
  }
}

/** @returns what is wrong with the header, or undefined */
export function headerProblem(header: RawRecord, format: FormatVersions): string | undefined {
  const { name, version: newest } = format;
  const { format: foundName, version: found } = header;
  if (foundName !== name) return `does not name the format "${name}"`;
  const oldest = oldestVersionOf(format);
  const versions = oldest === newest ? `version ${newest}` : `versions ${oldest} to ${newest}`;
  if (isOfLaterLatchkey(header, format)) {
    return `names version ${found} of the format, but this latchkey reads ${versions} only`;
  }
  const isKnown = Number.isInteger(found) && Number(found) >= oldest;
  return isKnown ? undefined : `does not name ${versions} of the format (got ${describe(found)})`;
}

/** @returns whether the header names this format, and a newer version of it than is known */
export function isOfLaterLatchkey(header: RawRecord, { name, version }: FormatVersions): boolean {
  const { format: foundName, version: found } = header;
  return foundName === name && Number.isInteger(found) && Number(found) > version;
}

/** A JSON string, or the beginning of one that the end of the text cuts off. */
const STRING_OR_ITS_BEGINNING = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)/gs;

/** The beginning of an object of strings, without the strings. */
const STRINGS_ONLY = /^\{[:,]*$/;

/**
 * A JSON object without its strings. Besides punctuation it has only the characters of numbers, and
 * the letters of `true`, `false` and `null`.
 */
const ANY_VALUES = /^\{[-+.\dEaeflnrstu:,[\]{}]*$/;

/** Where a record begins. A JSON string cannot hold these characters, since it escapes quotes. */
const RECORD_START = '{"op":';

/**
 * @returns whether the bytes can be the beginning of one line that `encodeRecord` wrote: a JSON
 *   object without its end. It is false for a comment, and for two lines that an editor has joined.
 */
export function isTornRecord(
  bytes: Buffer,
  { hasOnlyStrings }: Pick<RecordFormat<unknown>, 'hasOnlyStrings'>,
): boolean {
  // A second record begins here. It may be whole, and a whole record is never cut off.
  if (bytes.indexOf(RECORD_START, 1) !== -1) return false;
  const withoutStrings = bytes.toString('latin1').replaceAll(STRING_OR_ITS_BEGINNING, '');
  if (!(hasOnlyStrings ? STRINGS_ONLY : ANY_VALUES).test(withoutStrings)) return false;
  let depth = 0;
  for (const [bracket] of withoutStrings.matchAll(/[[\]{}]/g)) {
    depth += bracket === '{' || bracket === '[' ? 1 : -1;
    // The object is complete, so the line is either whole or joined with another.
    if (depth === 0) return false;
  }
  return true;
}

/** @returns the header of each version that can be opened */
function headersOf(format: FormatVersions): Buffer[] {
  const headers: Buffer[] = [];
  for (let version = oldestVersionOf(format); version <= format.version; version += 1) {
    headers.push(Buffer.from(headerLine(format.name, version)));
  }
  return headers;
}

/** @returns the length of the longest header that can be opened */
export function maxHeaderBytes(format: FormatVersions): number {
  return Math.max(...headersOf(format).map((header) => header.length));
}

/**
 * @param bytes one byte more than the longest header has, or the whole file if it is shorter
 * @returns whether the file is empty, or the write of its header was interrupted: it then holds a
 *   part of the header, in which pages that did not reach the disk read as NUL bytes
 */
export function isEmptyOrTornHeader(bytes: Buffer, format: FormatVersions): boolean {
  return headersOf(format).some((header) => {
    if (bytes.length > header.length) return false;
    const isWhole = bytes.length >= header.length - 1 && !bytes.includes(0);
    return !isWhole && bytes.every((byte, index) => byte === 0 || byte === header[index]);
  });
}
