/**
 * Reads a journal after anything that may have happened to it: a crash, an editor, a copy made
 * during a write.
 * Promise: a complete record is read or refused with its line number, never skipped. Only what an
 * interrupted write of the last batch can leave counts as damage that may be cut off.
 */
import { AuthError } from '../errors.ts';
import type { DiskFile } from './disk.ts';
import {
  headerLine,
  headerProblem,
  isTornHeader,
  isTornRecord,
  linesOf,
  MAX_LINE_BYTES,
  parseLine,
} from './lines.ts';
import type { RecordFormat } from './record-format.ts';

/** A part of a file, from the offset `start` up to, but not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a journal holds. */
export interface Contents<Entry> {
  readonly entries: Map<string, Entry>;
  /** Records that a compaction drops. */
  readonly supersededLines: number;
  readonly fileBytes: number;
  /** Where the records end in a file that was closed; 0 if the file has no header yet. */
  readonly recordBytes: number;
  /** The file ends in an empty line: all of it was on disk when that line was written. */
  readonly isClosed: boolean;
  /** Debris of records whose write was interrupted, in the order of the file. */
  readonly damage: readonly ByteRange[];
}

/**
 * Reads in chunks, never the whole file at once.
 * @throws AuthError ERR_STORE_DAMAGED with the number of the line, from 1
 */
export async function readJournal<Entry>(
  file: DiskFile,
  path: string,
  format: RecordFormat<Entry>,
): Promise<Contents<Entry>> {
  const reader = new Reader(path, format);
  const chunk = Buffer.allocUnsafe(MAX_LINE_BYTES);
  const head = await file.read(chunk, 0, Buffer.byteLength(headerLine(format)) + 1, 0);
  if (isTornHeader(chunk.subarray(0, head.bytesRead), format)) {
    reader.cutOff(head.bytesRead);
    return { ...reader.contents(head.bytesRead), recordBytes: 0 };
  }
  let fileBytes = 0;
  let rest = Buffer.alloc(0);
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, fileBytes);
    if (bytesRead === 0) break;
    fileBytes += bytesRead;
    rest = reader.take(Buffer.concat([rest, chunk.subarray(0, bytesRead)]));
  }
  if (rest.length > 0) reader.takeLast(rest);
  return reader.contents(fileBytes);
}

const LOOKS_LIKE_RECORD = /^\{"op":"[^]*\}\n?$/;

class Reader<Entry> {
  readonly #path: string;
  readonly #format: RecordFormat<Entry>;
  readonly #entries = new Map<string, Entry>();
  readonly #damage: ByteRange[] = [];
  /** The offset of the first byte that is neither read nor cut off. */
  #position = 0;
  /** How many line feeds were read. */
  #lineNumber = 0;
  /** The number of records, without the header. */
  #records = 0;
  #hasEmptyLine = false;
  /** How many empty lines follow the last record. */
  #emptyLinesAtEnd = 0;
  /** The first line with NUL in it. */
  #holedLine: number | undefined;

  constructor(path: string, format: RecordFormat<Entry>) {
    this.#path = path;
    this.#format = format;
  }

  contents(fileBytes: number): Contents<Entry> {
    return {
      entries: this.#entries,
      supersededLines: this.#records - this.#entries.size,
      fileBytes,
      recordBytes: this.#position - this.#emptyLinesAtEnd,
      isClosed: this.#emptyLinesAtEnd > 0,
      damage: this.#damage,
    };
  }

  /** @returns the rest, to be passed again with the bytes that follow it */
  take(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    const end = bytes.lastIndexOf('\n') + 1;
    if (end > 0) this.#takeLines(bytes.subarray(0, end));
    const rest = bytes.subarray(end);
    if (rest.length <= MAX_LINE_BYTES) return rest;
    const hole = rest.lastIndexOf(0);
    const number = this.#lineNumber + 1;
    if (rest.length - (hole + 1) > MAX_LINE_BYTES) throw this.#damaged(number, 'is too long');
    // A hole may have any length. The NUL that stays marks the rest of the line as one with a hole.
    if (hole > 0) this.#takeHole(rest.subarray(0, hole), number);
    return rest.subarray(hole);
  }

  /** Takes a last line that has no line feed. */
  takeLast(bytes: Buffer): void {
    const number = this.#lineNumber + 1;
    this.#emptyLinesAtEnd = 0;
    if (bytes.includes(0)) {
      this.#takeHole(bytes, number);
      return;
    }
    const [line] = linesOf(bytes);
    const problem = this.#read(line, number);
    if (problem === undefined) {
      // An editor dropped the line feed, or the write was torn exactly there.
      this.#position += bytes.length;
      return;
    }
    if (!isTornRecord(bytes)) throw this.#damaged(number, problem);
    // Each batch begins with an empty line, unless a hole is in its place.
    if (!this.#hasEmptyLine && this.#holedLine === undefined) {
      throw this.#damaged(number, 'is incomplete, but no empty line above it begins a write');
    }
    this.cutOff(bytes.length);
  }

  /** Skips bytes that are not part of a record. */
  cutOff(length: number): void {
    if (length === 0) return;
    const start = this.#position;
    const end = start + length;
    this.#position = end;
    const previous = this.#damage.at(-1);
    if (previous?.end === start) this.#damage.splice(-1, 1, { start: previous.start, end });
    else this.#damage.push({ start, end });
  }

  #takeLines(bytes: Buffer): void {
    if (!bytes.includes(0)) {
      for (const line of linesOf(bytes.subarray(0, -1))) this.#takeLine(line);
      this.#position += bytes.length;
      return;
    }
    let start = 0;
    while (start < bytes.length) {
      const end = bytes.indexOf('\n', start) + 1;
      const line = bytes.subarray(start, end);
      if (line.includes(0)) {
        this.#takeHole(line, this.#lineNumber + 1);
        this.#lineNumber += 1;
      } else {
        this.#takeLine(linesOf(line.subarray(0, -1))[0]);
        this.#position += line.length;
      }
      start = end;
    }
  }

  #takeLine(line: string | undefined): void {
    this.#lineNumber += 1;
    if (line === '' && this.#lineNumber > 1) {
      // The hole is above the last batch, where every record was on disk and acknowledged.
      if (this.#holedLine !== undefined) throw this.#damaged(this.#holedLine, 'holds NUL');
      this.#hasEmptyLine = true;
      this.#emptyLinesAtEnd += 1;
      return;
    }
    if (line !== undefined && isTooLong(line)) throw this.#damaged(this.#lineNumber, 'is too long');
    const problem = this.#read(line, this.#lineNumber);
    if (problem !== undefined) throw this.#damaged(this.#lineNumber, problem);
    this.#emptyLinesAtEnd = 0;
  }

  /** Reads the header, or applies a record. @returns what is wrong with the line, if anything is */
  #read(line: string | undefined, number: number): string | undefined {
    const parsed = parseLine(line);
    if (typeof parsed === 'string') return parsed;
    if (number === 1) return headerProblem(parsed, this.#format);
    const problem = this.#format.apply(parsed, this.#entries);
    if (problem === undefined) this.#records += 1;
    return problem;
  }

  /**
   * Takes a line, or a part of one, with a hole: pages of the last batch that did not reach the
   * disk read as NUL. Whole records between them are kept, and the rest is cut off.
   */
  #takeHole(bytes: Buffer, number: number): void {
    // A batch begins with an empty line, which is either above the hole or lost in it.
    const isInBatch = this.#hasEmptyLine || bytes[0] === 0;
    if (number === 1 || !isInBatch) throw this.#damaged(number, 'holds NUL');
    this.#holedLine ??= number;
    this.#emptyLinesAtEnd = 0;
    for (const piece of bytes.toString('latin1').split(/(\0+)/)) {
      if (this.#readWhole(piece, number)) this.#position += piece.length;
      else this.cutOff(piece.length);
    }
  }

  /** @returns whether the piece is a whole record, which is then applied */
  #readWhole(piece: string, number: number): boolean {
    if (!LOOKS_LIKE_RECORD.test(piece)) return false;
    const [line] = linesOf(Buffer.from(piece.replace(/\n$/, ''), 'latin1'));
    if (typeof parseLine(line) === 'string') return false;
    const problem = this.#read(line, number);
    if (problem !== undefined) throw this.#damaged(number, problem);
    return true;
  }

  #damaged(number: number, problem: string): AuthError {
    const description =
      `${this.#path}, line ${number} ${problem}; ` +
      'the file was not changed: repair it or restore a backup';
    return new AuthError('ERR_STORE_DAMAGED', { description });
  }
}

/** @returns whether a line is longer than any that is written. A UTF-16 unit is up to 3 bytes. */
function isTooLong(line: string): boolean {
  return line.length * 3 >= MAX_LINE_BYTES && Buffer.byteLength(line) >= MAX_LINE_BYTES;
}
