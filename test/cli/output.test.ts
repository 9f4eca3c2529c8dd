/** What a command prints, and whether it was written. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { CommandError } from '../../src/cli/command-errors.ts';
import { writeOutput } from '../../src/cli/output.ts';
import { failing } from '../support/outputs.ts';

test('writeOutput resolves once the text is written', async () => {
  const written: string[] = [];
  const output = new Writable({
    write: (chunk, _encoding, done) => setImmediate(() => {
      written.push(String(chunk));
      done();
    }),
  });
  await writeOutput(output, 'one');
  assert.deepEqual(written, ['one']);
});

test('writeOutput rejects with the error of the system as the cause', async () => {
  const { output, error: cause } = failing('ENOSPC');
  await assert.rejects(writeOutput(output, 'one'), (error) => {
    assert.ok(error instanceof CommandError);
    assert.deepEqual([error.message, error.cause], [
      'cannot write the output: write ENOSPC',
      cause,
    ]);
    return true;
  });
});
