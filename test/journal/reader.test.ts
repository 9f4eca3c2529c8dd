/**
 * Reads what a crash, a power cut or a damaged disk leaves of a file: debris of the last batch is
 * cut off and saved, every whole record is kept, any other damage is refused with its line number.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { someOf } from '../support/long.ts';
import {
  eightAtATime,
  fileWith,
  folderOf,
  refusal,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import {
  ANN,
  ann,
  BOB,
  bob,
  EVE,
  fileOf,
  GOOD,
  HEADER,
  JOE,
  line,
  NEW_JOE,
  read,
  written,
} from '../support/user-lines.ts';

const open = (path: string) => JsonFileUserStore.open(path);

test('a last line torn at any byte is cut off, counted and saved; a whole one stays', async () => {
  const lasting = userNamed('\u00f1and\u00fa \u{10428}');
  const LAST = line('insert', lasting);
  for (const [before, last] of [
    ['', HEADER],
    [written(JOE), `\n${LAST}`],
  ] as const) {
    const bytes = Buffer.from(`${last}\n`);
    const kept = before === '' ? [] : [JOE];
    await eightAtATime(Array(bytes.length + 1).keys(), async (length) => {
      for (const zeros of length % 10 === 0 && length < bytes.length ? [0, 7] : [0]) {
        const start = Buffer.concat([Buffer.from(before), bytes.subarray(0, length)]);
        const path = fileWith(Buffer.concat([start, Buffer.alloc(zeros)]));
        const isWhole = length >= bytes.length - 1;
        const lines = before !== '' && isWhole ? [...kept, LAST] : kept;
        const left = fileOf(...lines);
        const isClosed = before !== '' && length === 1 && zeros === 0;
        // The empty line before the last one was written whole.
        const cut = bytes.subarray(before === '' ? 0 : 1, isWhole ? 0 : length);
        await withStore(path, async (store) => {
          assert.equal(store.discardedBytes, cut.length + zeros);
          // If only the empty line was written, the file is as after a clean stop.
          assert.equal(read(path), isClosed ? before : left);
          if (store.discardedPath === undefined) assert.equal(cut.length + zeros, 0);
          else {
            assert.equal(store.discardedPath, `${path}.cut-1`);
            assert.deepEqual(
              fs.readFileSync(store.discardedPath),
              Buffer.concat([cut, Buffer.alloc(zeros)]),
            );
            assert.equal(fs.statSync(store.discardedPath).mode & 0o777, 0o600);
          }
          assert.equal(await store.insert(ann), true);
        });
        assert.equal(read(path), `${isClosed ? before : left}\n${ANN}\n\n`);
      }
    });
  }
});

const record = (members: object) => JSON.stringify({ op: 'insert', ...ann, ...members });
/**
 * Replacements that make one line of a good file bad, by the number of the line. In ASCII, with
 * other bytes as \x80 to \xff.
 */
const DAMAGE: Record<string, string[]> = {
  1: [
    ...[
      '',
      ' ',
      '\0',
      'hello',
      'null',
      '[]',
      '{}',
      JOE,
      `\xef\xbb\xbf${HEADER}`,
      `${HEADER}\r`,
      `${HEADER}${HEADER}`,
    ],
    ...[',"version":3', ',"version":0', ',"version":"1"', ',"version":null', ''].map((v) =>
      HEADER.replace(/,.*\d/, v),
    ),
    HEADER.replace('latchkey-users', 'latchkey-user'),
  ],
  3: [
    ...[
      ' ',
      '\0',
      'null',
      'true',
      '1',
      '"x"',
      '[]',
      '{}',
      '{"op":',
      HEADER,
      JOE,
      line('update', ann),
    ],
    ...[`\xef\xbb\xbf${ANN}`, `${ANN}\r`, `${ANN}\0`, `\0${ANN}`, `${ANN}${BOB}`, ANN.slice(0, -1)],
    // Not a byte of UTF-8, half a character, a surrogate, an overlong slash (RFC 3629 section 3).
    ...['\xff', '\xc3', '\xed\xa0\x80', '\xc0\xaf'].map((username) => record({ username })),
    ...Object.keys({ op: 0, ...ann }).flatMap((name) =>
      [undefined, null, true, 1, [], ['x'], {}].map((value) => record({ [name]: value })),
    ),
    ...[record({ op: 'delete' }), record({ isAdmin: true }), ANN.replace('{', '{"__proto__":{},')],
    record({ op: undefined }).replace('{', '{"__proto__":{"op":"insert"},'),
  ],
  4: ['{"op":', JOE, line('update', bob)],
};

test('a damaged line is refused with its number, and the file does not change', async () => {
  const lines = [HEADER, JOE, ANN, BOB, '', line('insert', userNamed('eve'))];
  await withStore(fileWith(fileOf(...lines.slice(1))), (store) =>
    assert.deepEqual({ ...store.find('bob') }, bob),
  );
  for (const [number, damage] of Object.entries(DAMAGE)) {
    for (const bad of damage) {
      // The torn end is not cut off either.
      const bytes = Buffer.from(
        `${lines.with(Number(number) - 1, bad).join('\n')}\n{"op":`,
        'latin1',
      );
      const path = fileWith(bytes);
      const reason = bad.startsWith('\xef\xbb\xbf') ? 'begins with a byte order mark' : '';
      const expected = refusal('ERR_STORE_DAMAGED', `${path}, line ${number} ${reason}`);
      await assert.rejects(open(path), expected, `${number} ${bad}`);
      assert.deepEqual([fs.readFileSync(path), folderOf(path)], [bytes, ['users.jsonl']]);
    }
  }
  const many = Array.from({ length: 20_000 }, (_, index) =>
    line('insert', userNamed(`\ufffd ${index}`)),
  );
  // Good lines in the same chunk, and users from an earlier chunk, are not taken for damage.
  const sound = fileOf(...many, line('update', userNamed('\ufffd 0')));
  const path = fileWith(Buffer.concat([Buffer.from(sound), Buffer.from('"\xff"\n', 'latin1')]));
  await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 20003 `));
});

/** Parts of the last batch that read as NUL bytes, and the records that stay whole. */
const NUL_RANGES: [from: number, to: number, kept: string[]][] = (() => {
  const batch = `\n${ANN}\n${BOB}\n${EVE}\n`;
  const [toAnn, toBob, toEve] = [ANN, BOB, EVE].map((record) => batch.indexOf(record));
  assert.ok(toAnn !== undefined && toBob !== undefined && toEve !== undefined);
  return [
    [0, batch.length, []],
    [0, 1, [ANN, BOB, EVE]],
    [0, 9, [BOB, EVE]],
    [toAnn, toAnn + 1, [BOB, EVE]],
    [toAnn, toBob, [BOB, EVE]],
    [toBob - 1, toBob, [ANN, BOB, EVE]],
    [toBob - 2, toBob, [BOB, EVE]],
    [toBob - 1, toEve, [ANN, EVE]],
    [toBob + 9, toBob + 10, [ANN, EVE]],
    [toBob + 9, toEve + 9, [ANN]],
    [toEve + 9, batch.length, [ANN, BOB]],
    [batch.length - 1, batch.length, [ANN, BOB, EVE]],
    [batch.length - 2, batch.length, [ANN, BOB]],
  ];
})();

test('whole records around NUL bytes are kept, but only in the last batch', async () => {
  const last = [ANN, BOB, EVE].join('\n');
  for (const before of [fileOf(), fileOf(JOE), written(JOE)]) {
    for (const [from, to, kept] of NUL_RANGES) {
      const bytes = Buffer.from(`${before}\n${last}\n`);
      bytes.fill(0, before.length + from, before.length + to);
      const path = fileWith(bytes);
      await withStore(path, (store) => {
        const all = before === fileOf() ? kept : [JOE, ...kept];
        assert.equal(read(path), fileOf(...all), `${from} ${to}`);
        const saved = fs.readFileSync(store.discardedPath ?? '');
        assert.equal(saved.length, store.discardedBytes);
        const nulBytes = saved.filter((byte) => byte === 0).length;
        assert.ok(nulBytes === to - from, 'the NUL bytes are saved too');
        const text = kept.reduce((rest, record) => rest.replace(record, ''), `${last}\n`);
        assert.ok(saved.length <= text.length + 1);
      });
      // The same NUL bytes in an acknowledged batch.
      const line = bytes
        .subarray(0, before.length + from)
        .toString()
        .split('\n').length;
      for (const below of ['\n', `\n${NEW_JOE}\n`]) {
        const damaged = Buffer.concat([bytes, Buffer.from(below)]);
        const damagedPath = fileWith(damaged);
        // NUL bytes over the line feed before the empty line may turn two batches into one.
        if (to === last.length + 2) continue;
        await assert.rejects(
          open(damagedPath),
          refusal('ERR_STORE_DAMAGED', `${damagedPath}, line ${line} holds NUL`),
        );
        assert.deepEqual(
          [fs.readFileSync(damagedPath), folderOf(damagedPath)],
          [damaged, ['users.jsonl']],
        );
      }
    }
  }
});

test('NUL bytes are found in any number, also at the end of a chunk', async () => {
  const start = written(JOE);
  const many = Array.from({ length: 20_000 }, (_, index) => line('insert', userNamed(`${index}`)));
  for (const [tail, kept] of [
    [`\n\0${'x\0'.repeat(1 << 20)}x`, []],
    ['\0'.repeat(3 << 20), []],
    [`\0${'\0'.repeat(3 << 20)}\n${BOB}\n`, [BOB]],
    [`\n${ANN}${'\0'.repeat(3 << 20)}${BOB}\n`, [ANN, BOB]],
    [`\0\n${many.join('\n')}\n`, many],
    [`\0${'x'.repeat((1 << 20) - start.length - 2)}\n\n`, undefined],
    [`\0${'x'.repeat((2 << 20) - start.length - 2)}\n\n`, undefined],
    [`\0${'x'.repeat(1 << 21)}\n\n${BOB}\n`, undefined],
    [`\0${'\0'.repeat(3 << 20)}${'x'.repeat(1 << 21)}`, undefined],
  ] as const) {
    const path = fileWith(start + tail);
    if (kept === undefined) {
      await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 4 `));
      assert.equal(read(path), start + tail);
    } else {
      await withStore(path, (store) => {
        assert.equal(read(path), fileOf(JOE, ...kept));
        assert.equal(fs.statSync(store.discardedPath ?? '').size, store.discardedBytes);
      });
    }
  }
});

test('a file of another kind without a line feed is refused and not emptied', async () => {
  const nuls = ['\0'.repeat(HEADER.length + 2), '\0'.repeat(2_000_000), `\0\n${HEADER}\n`];
  for (const text of [
    '[{"username":"joe"}]',
    'secret',
    `${HEADER}\r`,
    fileOf(JOE).replaceAll('\n', '\r'),
    ...nuls,
  ]) {
    const path = fileWith(text);
    await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 1 `), text);
    assert.equal(read(path), text);
  }
});

test('a file cut at any byte keeps every complete record, or is refused', async () => {
  const compacted = fileOf(JOE, ANN, BOB);
  for (const [content, isRefusable] of [
    [GOOD, false],
    [compacted, true],
  ] as const) {
    await eightAtATime(someOf(Array(content.length).keys()).values(), async (length) => {
      const cut = content.slice(0, length);
      const path = fileWith(cut);
      const complete = cut.match(/\{"op".*?\}/g) ?? [];
      const store = await JsonFileUserStore.open(path).catch((error: Error) => {
        assert.ok(
          isRefusable && refusal('ERR_STORE_DAMAGED', `${path}, line `)(error),
          String(error),
        );
        assert.deepEqual([read(path), folderOf(path)], [cut, ['users.jsonl']]);
      });
      if (store === undefined) return;
      for (const line of complete) {
        const { id, passwordHash } = JSON.parse(line);
        const isLast = complete.at(-1) === line || !NEW_JOE.includes(`"${id}"`);
        if (isLast || complete.length < 4) assert.equal(store.find(id)?.passwordHash, passwordHash);
      }
      const saved = store.discardedPath === undefined ? '' : read(store.discardedPath);
      assert.ok(cut.endsWith(saved));
      assert.equal(saved.length, store.discardedBytes);
      await store.close();
      const texts = [...complete.map((line) => JSON.parse(line).id), saved];
      assert.ok(texts.every((text) => `${read(path)}${saved}`.includes(text)));
    });
  }
});
