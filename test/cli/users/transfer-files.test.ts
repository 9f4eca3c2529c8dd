/** The files and streams of an export and an import. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import fsPromises, { readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { CommandError, UsageError } from '../../../src/cli/command-errors.ts';
import { writeOutput } from '../../../src/cli/output.ts';
import { exportTarget, importSource } from '../../../src/cli/users/transfer-files.ts';
import { AuthError } from '../../../src/errors.ts';
import { collected } from '../../support/outputs.ts';
import { emptyFolder, modeOf } from '../../support/run-command.ts';
import { systemError } from '../../support/system-errors.ts';
import { handles } from '../../support/user-lines.ts';

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
  const folder = await emptyFolder();
  const { fill } = exportTarget(join(folder, 'users'), outputOf(false).output);
  await fill((output) => writeOutput(output, 'one\n'));
  assert.ok(!(await openFiles()).some((name) => name.startsWith(folder)));
});

test('an export does not replace a file, and follows no symbolic link', async () => {
  const folder = await emptyFolder();
  const [path, link] = [join(folder, 'users'), join(folder, 'link')];
  await writeFile(path, 'precious');
  await symlink(join(folder, 'elsewhere'), link);
  for (const taken of [path, link]) {
    const filled = exportTarget(taken, outputOf(false).output).fill(() => assert.fail());
    await assert.rejects(filled, (error) => {
      assert.ok(error instanceof CommandError);
      assert.match(
        error.message,
        /: this file exists already\. An export does not replace a file: name /,
      );
      return true;
    });
  }
  assert.equal(await readFile(path, 'utf8'), 'precious');
  assert.equal(existsSync(join(folder, 'elsewhere')), false);
});

/** @returns the names of the open files of this process */
async function openFiles(): Promise<readonly string[]> {
  const descriptors = await readdir('/proc/self/fd');
  const names = descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ''));
  return Promise.all(names);
}

test('an export that fails leaves no file, and closes it', async () => {
  const folder = await emptyFolder();
  const target = exportTarget(join(folder, 'users'), outputOf(false).output);
  const filled = target.fill(async (output) => {
    await writeOutput(output, 'one\n');
    throw new CommandError('the store failed');
  });
  await assert.rejects(filled, { message: 'the store failed' });
  assert.deepEqual(await readdir(folder), []);
  // Linux adds " (deleted)" to the name.
  const isOpen = (name: string) => name.startsWith(folder);
  if (existsSync('/proc/self/fd')) assert.ok(!(await openFiles()).some(isOpen));
});

test('an error of the store during an export is not taken for one of the file', async () => {
  const refusal = new AuthError('ERR_STORE', { cause: new Error('Connection terminated') });
  const target = exportTarget(join(await emptyFolder(), 'users'), outputOf(false).output);
  await assert.rejects(target.fill(() => Promise.reject(refusal)), (error) => error === refusal);
});

test('an export has its name once it is complete and synced', async (t) => {
  const folder = await emptyFolder();
  const path = join(folder, 'users');
  const calls: string[] = [];
  const { sync } = handles;
  t.mock.method(handles, 'sync', async function (this: typeof handles) {
    const kind = (await this.stat()).isDirectory() ? 'folder' : 'file';
    calls.push(`${kind} synced, export ${existsSync(path) ? 'named' : 'not named'}`);
    await sync.call(this);
  });
  await exportTarget(path, outputOf(false).output).fill(async (output) => {
    await writeOutput(output, 'one\n');
    assert.equal(existsSync(path), false);
  });
  assert.deepEqual(calls, ['file synced, export not named', 'folder synced, export named']);
  assert.deepEqual(await readdir(folder), ['users']);
});

for (const code of ['none', 'EPERM', 'ENOTSUP']) {
  test(`a file that appears during an export stays, hard links fail with ${code}`, async (t) => {
    if (code !== 'none') {
      t.mock.method(fsPromises, 'link', () => Promise.reject(systemError(code, 'link')));
      syncBuiltinESMExports();
    }
    const folder = await emptyFolder();
    const [path, other] = [join(folder, 'users'), join(folder, 'other')];
    const { output } = outputOf(false);
    const filled = exportTarget(path, output).fill(() => writeFile(path, 'precious'));
    await assert.rejects(filled, /this file exists already/);
    assert.equal(await readFile(path, 'utf8'), 'precious');
    await exportTarget(other, output).fill((file) => writeOutput(file, 'one\n'));
    assert.equal(await readFile(other, 'utf8'), 'one\n');
    assert.deepEqual([await readdir(folder), await modeOf(other)], [['other', 'users'], '600']);
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
}

test('an export into a folder that does not exist names the path', async () => {
  const path = join(await emptyFolder(), 'none', 'users');
  const filled = exportTarget(path, outputOf(false).output).fill(() => assert.fail());
  await assert.rejects(filled, (error) => {
    assert.ok(error instanceof CommandError);
    assert.match(error.message, /none\/users: ENOENT.*\. Name another file\.$/);
    return true;
  });
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
