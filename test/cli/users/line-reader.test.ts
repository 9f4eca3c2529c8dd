/** Lines of bytes: every way of cutting them into chunks, and lines that cannot be read. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readLines, type InputLine } from '../../../src/cli/users/line-reader.ts';
import { collectGarbage } from '../../support/garbage.ts';

const MAX_BYTES = 65_536;

async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) {
    yield bytes.subarray(start, start + size);
  }
}

async function linesOf(content: string | Uint8Array, size = 1_000): Promise<InputLine[]> {
  return Readable.from(readLines(chunksOf(Buffer.from(content), size))).toArray();
}

const texts = (lines: readonly InputLine[]) =>
  lines.map((line) => ('text' in line ? line.text : `! ${line.problem}`));

test('lines are the same however the bytes arrive', async () => {
  const content = '\ufeffone\r\n\nzwei \u00e4\u{1f511}\n\r\n\ufefffive\rsix\nlast';
  const expected = ['one', '', 'zwei \u00e4\u{1f511}', '', '\ufefffive\rsix', 'last'];
  for (let size = 1; size < 40; size += 1) {
    const lines = await linesOf(content, size);
    assert.deepEqual(texts(lines), expected, `${size} bytes`);
    assert.deepEqual(lines.map(({ number }) => number), [1, 2, 3, 4, 5, 6]);
  }
});

test('a stream of text works as one of bytes', async () => {
  async function* input() {
    yield 'o';
    yield 'ne\ntw\u00f6';
  }
  assert.deepEqual(texts(await Readable.from(readLines(input())).toArray()), ['one', 'tw\u00f6']);
});

test('an empty input has no line, and a line feed at the end begins none', async () => {
  assert.deepEqual(await linesOf(''), []);
  assert.deepEqual(texts(await linesOf('x')), ['x']);
  assert.deepEqual(texts(await linesOf('one\n')), ['one']);
  assert.deepEqual(texts(await linesOf('\ufeff')), ['']);
});

test('a line has up to 64 KiB, and a longer one is refused without the others', async () => {
  const longest = 'x'.repeat(MAX_BYTES);
  for (const end of ['\n', '\r\n']) {
    const content = `\ufeff${longest}${end}${longest}x${end}${longest}${end}${longest}${longest}`;
    for (const size of [999, 65_536, 1_000_000]) {
      const tooLong = '! it is longer than 64 KiB';
      assert.deepEqual(texts(await linesOf(content, size)), [longest, tooLong, longest, tooLong]);
    }
  }
});

test('a line of any length takes only the memory of the longest accepted one', async () => {
  const bytesInBuffers = async () => {
    // The second collection waits until the first one has freed the memory of its buffers.
    await collectGarbage();
    await collectGarbage();
    return process.memoryUsage().arrayBuffers;
  };
  const before = await bytesInBuffers();
  let most = 0;
  async function* input() {
    for (let chunk = 1; chunk <= 64; chunk += 1) {
      yield Buffer.alloc(2 ** 20, 'x');
      if (chunk % 16 === 0) most = Math.max(most, await bytesInBuffers());
    }
  }
  const lines = await Readable.from(readLines(input())).toArray();
  assert.deepEqual(texts(lines), ['! it is longer than 64 KiB']);
  assert.ok(most - before < 8 * 2 ** 20, `${most - before} bytes`);
});

test('a line that is not UTF-8 is refused without the others', async () => {
  const wrong = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]];
  for (const bytes of wrong) {
    const content = Buffer.concat([Buffer.from('a\n'), Buffer.from(bytes), Buffer.from('\nb')]);
    assert.deepEqual(texts(await linesOf(content)), ['a', '! it is not valid UTF-8', 'b']);
  }
  assert.deepEqual(texts(await linesOf(Buffer.from([0xc3, 0xa4]))), ['\u00e4']);
});
