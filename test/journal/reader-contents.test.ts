/** What the reader finds in a file, to the byte: its records, its end and its damage. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { maxHeaderBytes } from '../../src/journal/lines.ts';
import { readJournal, type Contents } from '../../src/journal/reader.ts';
import type { RecordFormat } from '../../src/journal/record-format.ts';
import { fileWith, refusal } from '../support/user-files.ts';

/** Version 1 knows `put` and `remove`, version 2 adds `mark`. */
const FORMAT: RecordFormat<string> = {
  name: 'notes',
  version: 2,
  olderVersions: { oldest: 1, versionOf: ({ op }) => (op === 'mark' ? 2 : 1) },
  hasOnlyStrings: true,
  apply({ op, key, text }, entries) {
    if (typeof key !== 'string') return 'names no key';
    if (op === 'remove') return entries.delete(key) ? undefined : 'removes nothing';
    entries.set(key, op === 'mark' ? 'marked' : String(text));
    return undefined;
  },
  recordOf: (text, key) => ({ op: 'put', key, text }),
};

const MAX_LINE_BYTES = 1_048_576;
const headerOf = (version: unknown) => `{"format":"notes","version":${JSON.stringify(version)}}`;
const HEADER = headerOf(1);
/** The offset of the second line. */
const SECOND = HEADER.length + 1;
const put = (key: string, text: string) => `{"op":"put","key":"${key}","text":"${text}"}`;
const [A, B, C] = [put('a', '1'), put('b', '2'), put('c', '3')];
/** Two bytes more than characters. */
const WIDE = put('d', '\u00f1\u00f1');
const A2 = put('a', 'a longer text');
const remove = (key: string) => `{"op":"remove","key":"${key}"}`;
const bytesOf = (text: string) => Buffer.byteLength(text);

async function readText(text: string | Buffer): Promise<Contents<string>> {
  const file = await open(fileWith(text));
  try {
    return await readJournal(file, 'the path', FORMAT);
  } finally {
    await file.close();
  }
}

type Expected = Partial<Omit<Contents<string>, 'entries' | 'fileBytes'>> & {
  readonly entries?: Readonly<Record<string, string>>;
};

/** @param expected what differs from a file with a header of version 1 alone */
async function assertContents(text: string, expected: Expected): Promise<void> {
  const found = await readText(text);
  const wanted = {
    version: 1,
    liveBytes: 0,
    supersededLines: 0,
    fileBytes: bytesOf(text),
    recordsEnd: bytesOf(text),
    isClosed: false,
    damage: [],
    ...expected,
    entries: new Map(Object.entries(expected.entries ?? {})),
  };
  assert.deepEqual(found, wanted, text.slice(0, 300));
}

test('a file without a whole header is empty, and its bytes are damage', async () => {
  await assertContents('', {});
  for (const length of [1, 10, HEADER.length - 1]) {
    const damage = [{ start: 0, end: length }];
    for (const header of [HEADER, headerOf(2)]) {
      await assertContents(header.slice(0, length), { recordsEnd: 0, damage });
      await assertContents(`${header.slice(0, length - 1)}\0`, { recordsEnd: 0, damage });
    }
  }
  const end = HEADER.length + 1;
  await assertContents(`${HEADER}\0`, { recordsEnd: 0, damage: [{ start: 0, end }] });
  await assertContents('\0'.repeat(end), { recordsEnd: 0, damage: [{ start: 0, end }] });
  await assertContents(HEADER, {});
  await assertContents(`${HEADER}\n`, {});
  await assertContents(`${headerOf(2)}\n`, { version: 2 });
  const olderVersions = { oldest: 9, versionOf: () => 9 };
  assert.equal(maxHeaderBytes({ name: 'notes', version: 10, olderVersions }), SECOND + 1);
});

test('a record counts until a later one supersedes it; empty lines close the file', async () => {
  const [a, wide, c] = [A.length + 1, WIDE.length + 3, C.length + 1];
  const all = `${HEADER}\n\n${A}\n${WIDE}\n\n${A2}\n`;
  const found = {
    entries: { a: 'a longer text', d: '\u00f1\u00f1' },
    liveBytes: a + wide,
    supersededLines: 1,
  };
  await assertContents(all, found);
  // An editor dropped the last line feed.
  await assertContents(all.trimEnd(), found);
  for (const empty of ['\n', '\n\n\n']) {
    await assertContents(all + empty, { ...found, isClosed: true, recordsEnd: bytesOf(all) });
    await assertContents(`${HEADER}\n${empty}`, { isClosed: true, recordsEnd: SECOND });
    const removal = `${all}${empty}${remove('a')}\n`;
    const rest = { entries: { d: '\u00f1\u00f1' }, liveBytes: (a + wide) / 2, supersededLines: 3 };
    await assertContents(removal, rest);
    const entries = { ...rest.entries, c: '3' };
    await assertContents(removal + C, { ...rest, entries, liveBytes: rest.liveBytes + c });
  }
  const marked = `${headerOf(2)}\n{"op":"mark","key":"a"}\n`;
  await assertContents(marked, { version: 2, entries: { a: 'marked' }, liveBytes: 24 });
});

test('what an interrupted write left is damage, and the records around it are read', async () => {
  const before = `${HEADER}\n\n${A}\n`;
  const start = before.length;
  const a = { entries: { a: '1' }, liveBytes: A.length + 1 };
  const torn = '{"op":"put","key":"to';
  for (const [tail, from] of [
    [torn, 0],
    [`\n${torn}`, 1],
    ['\0\0\0', 0],
    ['\0\0\0\n', 0],
    [`${torn}\0\0${torn}\n`, 0],
    [`\0\n${torn}`, 0],
    [`\0\n\0\n`, 0],
    [`${torn}\0`, 0],
    ['\0{"op":5,"key":"a"}\n', 0],
    ['\0{"key":"a","op":"put"}\n', 0],
  ] as const) {
    const damage = [{ start: start + from, end: start + tail.length }];
    await assertContents(before + tail, { ...a, damage });
  }
  const between = `${before}\0\0${B}\0x\0${C}\n\0`;
  const position = start + 2 + B.length;
  await assertContents(between, {
    entries: { a: '1', b: '2', c: '3' },
    liveBytes: A.length + B.length + C.length + 3,
    damage: [
      { start, end: start + 2 },
      { start: position, end: position + 3 },
      { start: position + C.length + 4, end: between.length },
    ],
  });
  const { entries } = await readText(`${before}\0${WIDE}\n`);
  assert.equal(entries.get('d'), '\u00f1\u00f1');
  // The empty line that begins the batch is lost in the NUL bytes.
  const lost = { start: SECOND, end: SECOND + 2 + torn.length };
  await assertContents(`${HEADER}\n\0\n${torn}`, { damage: [lost] });
  // Records of an earlier line with NUL bytes stay, also if a whole line follows.
  const c = { entries: { c: '3' }, liveBytes: C.length + 1 };
  const nuls = { start: SECOND, end: SECOND + 2 };
  await assertContents(`${HEADER}\n\0\n${C}\n`, { ...c, damage: [nuls] });
});

test('any other damage is refused with the number of its line', async () => {
  const torn = '{"op":"put","key":"to';
  const doubt = 'is incomplete, and no empty line above it begins an interrupted write';
  const remedy = '; the file was not changed: repair it or restore a backup';
  const later = '; the file was not changed: a later latchkey wrote it; run that one, or restore';
  for (const [text, words, end = remedy] of [
    [`${HEADER}\n${torn}`, `line 2 ${doubt}`],
    [`${HEADER}\n${A}\n${torn}`, `line 3 ${doubt}`],
    [`${HEADER}\n\n${A}\n${A}${torn}`, 'line 4 is not JSON'],
    [`${HEADER}\n${A}\0\n`, 'line 2 holds NUL bytes'],
    [`${HEADER}\n${A}\0`, 'line 2 holds NUL bytes'],
    [`${HEADER}\n\n\0\n${A}\n\n`, 'line 3 holds NUL bytes'],
    [`${HEADER}\n\n${A}\n\0\n\0\n\n${A}`, 'line 4 holds NUL bytes'],
    [`${HEADER}\0\n${A}\n`, 'line 1 holds NUL bytes'],
    [`\0\n${HEADER}\n`, 'line 1 holds NUL bytes'],
    ['\0'.repeat(SECOND + 1), 'line 1 holds NUL bytes'],
    [`\n${HEADER}\n`, 'line 1 is not JSON'],
    [`${HEADER}\n\n[]\n`, 'line 3 is not a JSON object'],
    [`${HEADER}\n\n${remove('a')}\n`, 'line 3 removes nothing'],
    [`${HEADER}\n\n${remove('a')}`, 'line 3 removes nothing'],
    [`${HEADER}\n\n${A}\n\0${remove('b')}\n`, 'line 4 removes nothing'],
    [`${HEADER}\n\n{"op":"mark","key":"a"}\n`, 'line 3 is a record of version 2, but the first'],
    [`${headerOf(3)}\n`, 'line 1 names version 3 of the format', later],
    ['{"a":1}', 'line 1 does not name the format "notes"'],
    ['{"format":"note","version":3}\n', 'line 1 does not name the format "notes"'],
    [`${headerOf(0)}\n`, 'line 1 does not name versions 1 to 2 of the format (got 0)'],
    [`${HEADER}${A}\n`, 'line 1 is not JSON'],
    [`${HEADER}x`, 'line 1 is not JSON'],
  ] as const) {
    const expected = refusal('ERR_STORE_DAMAGED', `the path, ${words}`, end);
    await assert.rejects(readText(text), expected, text);
  }
  const notUtf8 = Buffer.from(`${HEADER}\n\n${A}\n\xff\n`, 'latin1');
  await assert.rejects(readText(notUtf8), refusal('ERR_STORE_DAMAGED', 'line 4 is not UTF-8'));
});

test('a line has at most 1 MiB with its line feed, and any number of NUL bytes', async () => {
  const start = SECOND + 1;
  const textOf = (line: string) => `${HEADER}\n\n${line}`;
  const roomBytes = MAX_LINE_BYTES - put('a', '').length - 1;
  const isTooLong = refusal('ERR_STORE_DAMAGED', 'line 3 is too long');
  for (const text of ['x'.repeat(roomBytes), '\u20ac'.repeat(roomBytes / 3)]) {
    const line = put('a', text);
    const found = { entries: { a: text }, liveBytes: bytesOf(line) + 1 };
    await assertContents(textOf(`${line}\n`), found);
    await assertContents(textOf(line), found);
    for (const end of ['\n', 'xx']) {
      await assert.rejects(readText(textOf(put('a', `${text}yyy`) + end)), isTooLong);
    }
  }
  const tooLong = put('a', 'x'.repeat(roomBytes + 1));
  for (const end of ['\n', '']) await assert.rejects(readText(textOf(tooLong + end)), isTooLong);
  const a = { entries: { a: '1' }, liveBytes: A.length + 1 };
  for (const [tail, found] of [
    [`\0${'x'.repeat(MAX_LINE_BYTES - 1)}`, {}],
    [`\0\0${'x'.repeat(MAX_LINE_BYTES - 1)}`, {}],
    [`${'\0'.repeat(MAX_LINE_BYTES - 100)}\n`, {}],
    [`${'\0'.repeat(2 * MAX_LINE_BYTES)}${A}\n`, a],
  ] as const) {
    const end = start + tail.length - (found === a ? A.length + 1 : 0);
    await assertContents(textOf(tail), { ...found, damage: [{ start, end }] });
  }
  await assert.rejects(readText(textOf(`\0${'x'.repeat(MAX_LINE_BYTES)}`)), isTooLong);
  const bad = `\0${remove('b')}\0${'x'.repeat(MAX_LINE_BYTES - 1)}`;
  const expected = refusal('ERR_STORE_DAMAGED', 'line 3 removes nothing');
  await assert.rejects(readText(textOf(bad)), expected);
  // Without an empty line above it.
  const text = `${HEADER}\n\0${'x'.repeat(MAX_LINE_BYTES - 1)}`;
  await assertContents(text, { damage: [{ start: SECOND, end: text.length }] });
});

test('an empty line at the start of a chunk is read', async () => {
  const roomBytes = MAX_LINE_BYTES - SECOND - put('a', '').length - 1;
  const chunk = `${HEADER}\n${put('a', 'x'.repeat(roomBytes))}\n`;
  assert.equal(chunk.length, MAX_LINE_BYTES);
  const liveBytes = chunk.length - SECOND + C.length + 1;
  const entries = { a: 'x'.repeat(roomBytes), c: '3' };
  await assertContents(`${chunk}\n${C}`, { entries, liveBytes });
});
