/**
 * Reads a stream of bytes as lines of UTF-8. A line that cannot be read does not end the reading,
 * so that each such line can be reported with its number.
 * Promise: memory is bounded by the longest line that is accepted, not by the input.
 */

/** Without the line break. */
const MAX_LINE_BYTES = 65_536;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK: Buffer = Buffer.from('\ufeff');
/** A line may also have a byte order mark, and the CR of its line break. */
const MAX_RAW_BYTES = BYTE_ORDER_MARK.length + MAX_LINE_BYTES + 1;

/** A line of the input: its text without the line break, or why it cannot be read. */
export type InputLine = {
  /** The first line is 1. */
  readonly number: number;
} & ({ readonly text: string } | { readonly problem: string });

/**
 * Reads lines that end with LF or CRLF. The last one may lack its end. A byte order mark before the
 * first line is skipped.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<InputLine> {
  let number = 0;
  let line: Buffer[] = [];
  let lineBytes = 0;
  const add = (part: Buffer) => {
    lineBytes += part.length;
    if (lineBytes <= MAX_RAW_BYTES) line.push(part);
    else line = [];
  };
  const takeLine = (): InputLine => {
    number += 1;
    const taken = lineBytes > MAX_RAW_BYTES ? tooLong(number) : lineOf(number, Buffer.concat(line));
    line = [];
    lineBytes = 0;
    return taken;
  };
  for await (const chunk of input) {
    // The branches differ in the type alone: no overload of `from` takes both.
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk);
    let start = 0;
    for (
      let end = bytes.indexOf(LINE_FEED);
      end !== -1;
      end = bytes.indexOf(LINE_FEED, start)
    ) {
      add(bytes.subarray(start, end));
      yield takeLine();
      start = end + 1;
    }
    add(bytes.subarray(start));
  }
  if (lineBytes > 0) yield takeLine();
}

function lineOf(number: number, bytes: Buffer): InputLine {
  const hasMark = number === 1 && bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const start = hasMark ? BYTE_ORDER_MARK.length : 0;
  const end = bytes.at(-1) === CARRIAGE_RETURN ? bytes.length - 1 : bytes.length;
  const own = bytes.subarray(start, Math.max(start, end));
  if (own.length > MAX_LINE_BYTES) return tooLong(number);
  try {
    return { number, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(own) };
  } catch {
    return { number, problem: 'it is not valid UTF-8' };
  }
}

function tooLong(number: number): InputLine {
  return { number, problem: `it is longer than ${MAX_LINE_BYTES / 1024} KiB` };
}
