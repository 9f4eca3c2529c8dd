/** The files and streams of an export and an import. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { CommandError, UsageError } from '../../src/cli/command-errors.ts';
import { writeOutput } from '../../src/cli/output.ts';
import { exportTarget, importSource } from '../../src/cli/transfer-files.ts';
import { collected } from '../support/outputs.ts';
import { emptyFolder, modeOf } from '../support/run-command.ts';

/** @returns an output that keeps what it gets */
function outputOf(isTTY: boolean) {
  const { output, chunks } = collected();
  return { output: Object.assign(output, { isTTY }), chunks };
}

const input = (text: string, isTTY = false) => Object.assign(Readable.from([text]), { isTTY });

async function textOf(lines: AsyncIterable<Uint8Array | string>): Promise<string> {
  let text = '';
  for await (const chunk of lines) text += String(chunk);
  return text;
}

test('an export goes to a new file of mode 600', async () => {
  const path = join(await emptyFolder(), 'users');
  const target = exportTarget(path, outputOf(true).output);
  assert.equal(target.path, path);
  const count = await target.fill(async (output) => {
    await writeOutput(output, 'one\n');
    await writeOutput(output, 'two\n');
    return 2;
  });
  assert.deepEqual([count, await readFile(path, 'utf8'), await modeOf(path)], [
    2,
    'one\ntwo\n',
    '600',
  ]);
});

const needsProc = { skip: !existsSync('/proc/self/fd') };

test('the file of an export is closed when the export is complete', needsProc, async () => {
  const path = join(await emptyFolder(), 'users');
  await exportTarget(path, outputOf(false).output).fill((output) => writeOutput(output, 'one\n'));
  const descriptors = await readdir('/proc/self/fd');
  const open = descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ''));
  assert.ok(!(await Promise.all(open)).includes(path));
});

test('an export replaces no file, and follows no symbolic link', async () => {
  const folder = await emptyFolder();
  const [path, link] = [join(folder, 'users'), join(folder, 'link')];
  await writeFile(path, 'precious');
  await symlink(join(folder, 'elsewhere'), link);
  for (const taken of [path, link]) {
    const filled = exportTarget(taken, outputOf(false).output).fill(() => assert.fail());
    await assert.rejects(filled, (error) => {
      assert.ok(error instanceof CommandError);
      assert.match(error.message, /EEXIST.*An export replaces no file: name another one\.$/);
      return true;
    });
  }
  assert.equal(await readFile(path, 'utf8'), 'precious');
  assert.equal(existsSync(join(folder, 'elsewhere')), false);
});

test('an export that fails leaves no file', async () => {
  const path = join(await emptyFolder(), 'users');
  const filled = exportTarget(path, outputOf(false).output).fill(async (output) => {
    await writeOutput(output, 'one\n');
    throw new CommandError('the store failed');
  });
  await assert.rejects(filled, { message: 'the store failed' });
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('an export goes to standard output, but to a terminal only with the argument -', async () => {
  const PLACES = [[undefined, false], ['-', false], ['-', true]] as const;
  for (const [name, isTTY] of PLACES) {
    const { output, chunks } = outputOf(isTTY);
    const target = exportTarget(name, output);
    await target.fill((stream) => writeOutput(stream, 'one\n'));
    assert.deepEqual([target.path, chunks], [undefined, ['one\n']]);
    assert.equal(output.writableEnded, false);
  }
  assert.throws(() => exportTarget(undefined, outputOf(true).output), UsageError);
});

test('an import reads a file or standard input, but a terminal only with -', async () => {
  const path = join(await emptyFolder(), 'users');
  await writeFile(path, 'one\ntwo\n');
  const file = await importSource(path, input('not this'));
  assert.equal(await textOf(file.input), 'one\ntwo\n');
  await file.close();
  for (const [name, isTTY] of [[undefined, false], ['-', false], ['-', true]] as const) {
    const source = await importSource(name, input('one\n', isTTY));
    assert.equal(await textOf(source.input), 'one\n');
    await source.close();
  }
  await assert.rejects(importSource(undefined, input('', true)), UsageError);
});

test('the error of an import names the file that it cannot read', async () => {
  const folder = await emptyFolder();
  await assert.rejects(importSource(join(folder, 'none'), input('')), (error) => {
    assert.ok(error instanceof CommandError);
    assert.match(error.message, /none: ENOENT.*Name a file that you can read\.$/);
    return true;
  });
  const source = await importSource(folder, input(''));
  await assert.rejects(textOf(source.input), (error) => {
    assert.ok(error instanceof CommandError);
    assert.match(error.message, /EISDIR.*Name a file that you can read\.$/);
    return true;
  });
  await source.close();
});
