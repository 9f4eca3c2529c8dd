/**
 * The reporter of `npm test`. It prints a line for each test file, then why tests were skipped, each
 * failure with its place and its error, and the totals. For a file that fails it also prints what
 * the file wrote: an error outside every test, such as a missing module, appears only there.
 */
import { relative, resolve } from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

type Completed = Extract<TestEvent, { type: 'test:complete' }>['data'];

const shortPath = (path = ''): string => relative(process.cwd(), path);

/** Node runs each file as a test of its own, whose name is the path of the file. */
const isFile = ({ name, nesting, file }: Completed): boolean =>
  nesting === 0 && resolve(name) === file;

function lineOf({ file, details }: Completed): string {
  const verdict = details.passed ? 'ok    ' : 'FAILED';
  const seconds = (details.duration_ms / 1000).toFixed(1).padStart(5);
  return `${verdict} ${seconds} s  ${shortPath(file)}\n`;
}

/** @returns undefined for a test that failed only because a test inside it did */
function failureOf({ name, file, line, details }: Completed): string | undefined {
  const error = details.error as (Error & { failureType?: string }) | undefined;
  if (error === undefined || error.failureType === 'subtestsFailed') return undefined;
  return `\n${shortPath(file)}:${line}: ${name}\n${inspect(error.cause ?? error)}\n`;
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const outputs = new Map<string, string>();
  const failedFiles: string[] = [];
  const failures: string[] = [];
  const skips = new Map<string, number>();
  let tests = 0;
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr' || type === 'test:diagnostic') {
      const file = data.file ?? '';
      const text = type === 'test:diagnostic' ? `${data.message}\n` : data.message;
      outputs.set(file, (outputs.get(file) ?? '') + text);
    }
    if (type !== 'test:complete') continue;
    if (isFile(data)) {
      if (!data.details.passed) failedFiles.push(data.file ?? '');
      yield lineOf(data);
      continue;
    }
    tests += 1;
    if (data.skip !== undefined) {
      const reason = String(data.skip);
      skips.set(reason, (skips.get(reason) ?? 0) + 1);
    }
    const failure = failureOf(data);
    if (failure !== undefined) failures.push(failure);
  }
  for (const [reason, count] of skips) yield `skipped ${count}: ${reason}\n`;
  for (const file of failedFiles) {
    const output = outputs.get(file);
    if (output !== undefined) yield `\nwritten by ${shortPath(file)}:\n${output}`;
  }
  yield* failures;
  const verdict = failedFiles.length === 0 ? 'all pass' : `${failedFiles.length} files fail`;
  yield `${tests} tests, ${verdict}\n`;
}
