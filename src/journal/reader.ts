/**
 * Reads a journal after anything that may have happened to it: a crash, an editor, a copy made
 * during a write.
 * Promise: a complete record is read or refused with its line number, never skipped. Between NUL
 * bytes a record is recognised by its first member `op`, where `encodeRecord` puts it. Damage is
 * cut off only if an interrupted write of the last batch can have left it.
 */
import { AuthError } from '../errors.ts';
import type { DiskFile } from './disk.ts';
import {
  headerProblem,
  isEmptyOrTornHeader,
  isOfLaterLatchkey,
  isTornRecord,
  linesOf,
  MAX_LINE_BYTES,
  maxHeaderBytes,
  parseLine,
} from './lines.ts';
import { LiveBytes } from './live-bytes.ts';
import {
  oldestVersionOf,
  versionNeededBy,
  type RawRecord,
  type RecordFormat,
} from './record-format.ts';

/** A part of a file, from the offset `start` up to, but not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The content of a journal. */
export interface Contents<Entry> {
  readonly entries: Map<string, Entry>;
  /** The version that the header names; the oldest one if the file has no header yet. */
  readonly version: number;
  /** An estimate of the bytes that the entries need. */
  readonly liveBytes: number;
  /** The number of records that a compaction drops. */
  readonly supersededLines: number;
  readonly fileBytes: number;
  /**
   * The offset behind the last record; 0 if the file has no header yet. In a closed file the empty
   * lines at its end begin there.
   */
  readonly recordsEnd: number;
  /** The file ends in an empty line: all of it was on disk when that line was written. */
  readonly isClosed: boolean;
  /** What interrupted writes left of their records, in the order of the file. */
  readonly damage: readonly ByteRange[];
}

/**
 * Reads the file in chunks. The memory holds the entries, one chunk and one line.
 * @throws AuthError ERR_STORE_DAMAGED with the number of the line, from 1
 */
export async function readJournal<Entry>(
  file: DiskFile,
  path: string,
  format: RecordFormat<Entry>,
): Promise<Contents<Entry>> {
  const reader = new Reader(path, format);
  const chunk = Buffer.allocUnsafe(MAX_LINE_BYTES);
  // Reads one byte beyond the length of the header, to see whether anything follows the header.
  const headBytes = maxHeaderBytes(format) + 1;
  const { bytesRead: fileHeadBytes } = await file.read(chunk, 0, headBytes, 0);
  if (isEmptyOrTornHeader(chunk.subarray(0, fileHeadBytes), format)) {
    reader.discard(fileHeadBytes);
    return { ...reader.contents(fileHeadBytes), recordsEnd: 0 };
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

const HOLDS_NUL = 'holds NUL bytes';
const REMEDY = 'repair it or restore a backup';
const LATER_LATCHKEY =
  'a later latchkey wrote it; run that one, or restore a backup from before the upgrade';

/** A piece between NUL bytes that does not look like this is only a part of a record. */
const RECORD_OUTLINE = /^\{"op":"[^]*\}\n?$/;

class Reader<Entry> {
  readonly #path: string;
  readonly #format: RecordFormat<Entry>;
  readonly #entries = new Map<string, Entry>();
  readonly #damage: ByteRange[] = [];
  readonly #liveBytes = new LiveBytes(0);
  #version: number;
  /** The offset of the first byte that is neither read nor discarded. */
  #position = 0;
  /** The number of lines that were read to their line feed. */
  #linesRead = 0;
  /** The number of records, without the header. */
  #records = 0;
  /** An empty line, which begins a batch, was read. */
  #hasSeenBatch = false;
  /** How many empty lines follow the last record. */
  #emptyLinesAtEnd = 0;
  /** The number of the first line with NUL bytes. */
  #lineWithNul: number | undefined;

  constructor(path: string, format: RecordFormat<Entry>) {
    this.#path = path;
    this.#format = format;
    this.#version = oldestVersionOf(format);
  }

  contents(fileBytes: number): Contents<Entry> {
    return {
      entries: this.#entries,
      version: this.#version,
      liveBytes: this.#liveBytes.bytes,
      supersededLines: this.#records - this.#entries.size,
      fileBytes,
      recordsEnd: this.#position - this.#emptyLinesAtEnd,
      isClosed: this.#emptyLinesAtEnd > 0,
      damage: this.#damage,
    };
  }

  /**
   * Reads all complete lines.
   * @returns the rest, which the caller passes again in front of the bytes that follow it
   */
  take(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    const end = bytes.lastIndexOf('\n') + 1;
    if (end > 0) this.#takeLines(bytes.subarray(0, end));
    const rest = bytes.subarray(end);
    if (rest.length < MAX_LINE_BYTES) return rest;
    const lineNumber = this.#linesRead + 1;
    const lastNul = rest.lastIndexOf(0);
    const bytesAfterNul = rest.length - lastNul - 1;
    if (bytesAfterNul >= MAX_LINE_BYTES) throw this.#damaged(lineNumber, 'is too long');
    // Any number of pages may read as NUL bytes. The rest begins with the last NUL byte, so that
    // the next call still treats the rest as a part of a line with NUL bytes.
    if (lastNul > 0) this.#takeLineWithNul(rest.subarray(0, lastNul), lineNumber);
    return rest.subarray(lastNul);
  }

  /** Reads a last line that has no line feed. */
  takeLast(bytes: Buffer): void {
    const lineNumber = this.#linesRead + 1;
    this.#emptyLinesAtEnd = 0;
    if (bytes.includes(0)) {
      this.#takeLineWithNul(bytes, lineNumber);
      return;
    }
    const [line] = linesOf(bytes);
    const problem = this.#read(line, lineNumber);
    if (problem === undefined) {
      // An editor dropped the line feed, or the write was torn exactly there.
      this.#position += bytes.length;
      return;
    }
    if (!isTornRecord(bytes, this.#format)) throw this.#damaged(lineNumber, problem);
    // The empty line that begins the torn batch may have been lost in a page of NUL bytes.
    const isInBatch = this.#hasSeenBatch || this.#lineWithNul !== undefined;
    if (!isInBatch) {
      const doubt = 'no empty line above it begins an interrupted write';
      throw this.#damaged(lineNumber, `is incomplete, and ${doubt}`);
    }
    this.discard(bytes.length);
  }

  /** Counts the next bytes as damage. Adjacent ranges are joined. */
  discard(length: number): void {
    if (length === 0) return;
    const start = this.#position;
    const end = start + length;
    this.#position = end;
    const previous = this.#damage.at(-1);
    if (previous?.end === start) this.#damage.splice(-1, 1, { start: previous.start, end });
    else this.#damage.push({ start, end });
  }

  #takeLines(bytes: Buffer): void {
    // The usual case, and the faster one: all lines of the block are decoded together.
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
        this.#takeLineWithNul(line, this.#linesRead + 1);
        this.#linesRead += 1;
      } else {
        this.#takeLine(linesOf(line)[0]);
        this.#position += line.length;
      }
      start = end;
    }
  }

  /** Reads a line without NUL bytes. The caller advances the position. */
  #takeLine(line: string | undefined): void {
    this.#linesRead += 1;
    const lineNumber = this.#linesRead;
    if (line === '' && lineNumber > 1) {
      // This empty line proves that the NUL bytes above it replaced bytes that were on disk.
      if (this.#lineWithNul !== undefined) throw this.#damaged(this.#lineWithNul, HOLDS_NUL);
      this.#hasSeenBatch = true;
      this.#emptyLinesAtEnd += 1;
      return;
    }
    if (line !== undefined && isTooLong(line)) throw this.#damaged(lineNumber, 'is too long');
    const problem = this.#read(line, lineNumber);
    if (problem !== undefined) throw this.#damaged(lineNumber, problem);
    this.#emptyLinesAtEnd = 0;
  }

  /** Reads the header or a record. @returns what is wrong with the line, or undefined */
  #read(line: string | undefined, lineNumber: number): string | undefined {
    const parsed = parseLine(line);
    if (parsed.problem !== undefined) return parsed.problem;
    if (lineNumber > 1) return this.#apply(parsed.record, line ?? '');
    const problem = headerProblem(parsed.record, this.#format);
    if (problem !== undefined) {
      const isLater = isOfLaterLatchkey(parsed.record, this.#format);
      throw this.#damaged(lineNumber, problem, isLater ? LATER_LATCHKEY : REMEDY);
    }
    this.#version = Number(parsed.record['version']);
    return undefined;
  }

  /** @returns what is wrong with the record, or undefined */
  #apply(record: RawRecord, line: string): string | undefined {
    const entriesBefore = this.#entries.size;
    const problem = this.#format.apply(record, this.#entries);
    if (problem !== undefined) return problem;
    this.#records += 1;
    this.#liveBytes.count(line, entriesBefore, this.#entries.size);
    const version = versionNeededBy(record, this.#format);
    if (version <= this.#version) return undefined;
    return `is a record of version ${version}, but the first line names version ${this.#version}`;
  }

  /**
   * Reads a line, or a part of one, with NUL bytes: pages of the last batch that did not reach the
   * disk. Whole records between them are read, and the rest is discarded.
   */
  #takeLineWithNul(bytes: Buffer, lineNumber: number): void {
    // The empty line that begins the batch is either above this line or lost in its NUL bytes.
    const isInBatch = this.#hasSeenBatch || bytes[0] === 0;
    if (lineNumber === 1 || !isInBatch) throw this.#damaged(lineNumber, HOLDS_NUL);
    this.#lineWithNul ??= lineNumber;
    this.#emptyLinesAtEnd = 0;
    for (const piece of bytes.toString('latin1').split(/(\0+)/)) this.#takePiece(piece, lineNumber);
  }

  /** @param piece bytes in Latin 1, either NUL bytes only or no NUL byte */
  #takePiece(piece: string, lineNumber: number): void {
    const record = wholeRecordIn(piece);
    if (record === undefined) {
      this.discard(piece.length);
      return;
    }
    const problem = this.#apply(record, piece);
    if (problem !== undefined) throw this.#damaged(lineNumber, problem);
    this.#position += piece.length;
  }

  #damaged(lineNumber: number, problem: string, remedy = REMEDY): AuthError {
    const description =
      `${this.#path}, line ${lineNumber} ${problem}; the file was not changed: ${remedy}`;
    return new AuthError('ERR_STORE_DAMAGED', { description });
  }
}

function wholeRecordIn(piece: string): RawRecord | undefined {
  if (!RECORD_OUTLINE.test(piece)) return undefined;
  const [line] = linesOf(Buffer.from(piece, 'latin1'));
  const parsed = parseLine(line);
  return parsed.problem === undefined ? parsed.record : undefined;
}

/**
 * @returns whether a line is over MAX_LINE_BYTES with its line feed, so that no journal wrote it
 */
function isTooLong(line: string): boolean {
  // A UTF-16 unit is up to 3 bytes of UTF-8, so a shorter line need not be measured.
  return line.length * 3 >= MAX_LINE_BYTES && Buffer.byteLength(line) >= MAX_LINE_BYTES;
}
