/**
 * Runs test files for `npm test`: `run-tests.ts <file>...`. It prints a line for each file, then
 * why tests were skipped, each failure with its file and its error, and the totals. Files start in
 * the order in which they are named, so `npm test` names the slow ones first. A reporter for
 * `node --test` would have to be JavaScript, because Node 20 loads one without tsx.
 */
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

/** More at once would disturb the tests that measure time. */
const CONCURRENCY = 2;

/** Messages of Node with its own totals. */
const TOTALS = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

type Completed = Extract<TestEvent, { type: 'test:complete' }>['data'];

const shortPath = (path = ''): string => relative(process.cwd(), path);

/** Node runs each file as a test of its own, whose name is the path of the file. */
const isFile = ({ name, nesting, file }: Completed): boolean =>
  nesting === 0 && resolve(name) === file;

function lineOf({ file, details }: Completed): string {
  const verdict = details.passed ? 'ok    ' : 'FAILED';
  const seconds = (details.duration_ms / 1000).toFixed(1).padStart(5);
  return `${verdict} ${seconds} s  ${shortPath(file)}`;
}

/** @returns undefined for a test that failed only because a test inside it did */
function failureOf({ name, file, details }: Completed): string | undefined {
  const error = details.error as (Error & { failureType?: string }) | undefined;
  if (error === undefined || error.failureType === 'subtestsFailed') return undefined;
  return `\n${shortPath(file)}: ${name}\n${inspect(error.cause ?? error)}`;
}

/** @returns whether all tests passed */
async function report(events: AsyncIterable<TestEvent>): Promise<boolean> {
  const outputs = new Map<string | undefined, string>();
  const failedFiles: (string | undefined)[] = [];
  const failures: string[] = [];
  const skips = new Map<string, number>();
  let tests = 0;
  for await (const { type, data } of events) {
    if (type === 'test:stdout' || type === 'test:stderr') {
      outputs.set(data.file, (outputs.get(data.file) ?? '') + data.message);
    }
    if (type === 'test:diagnostic' && !TOTALS.test(data.message)) {
      outputs.set(data.file, `${outputs.get(data.file) ?? ''}${data.message}\n`);
    }
    if (type !== 'test:complete') continue;
    if (isFile(data)) {
      if (!data.details.passed) failedFiles.push(data.file);
      console.log(lineOf(data));
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
  for (const [reason, count] of skips) console.log(`skipped ${count}: ${reason}`);
  // An error outside every test, such as a missing module, appears only in what the file prints.
  // Node 20 does not name the file of some of these messages.
  for (const file of failedFiles.length > 0 ? [...failedFiles, undefined] : []) {
    const output = outputs.get(file);
    if (output !== undefined) console.log(`\n${shortPath(file) || 'Node'} printed:\n${output}`);
  }
  for (const failure of failures) console.log(failure);
  const isGood = failedFiles.length === 0 && failures.length === 0;
  const failed = `${failures.length} tests fail, in ${failedFiles.length} files`;
  console.log(`\n${tests} tests: ${isGood ? 'all pass' : failed}`);
  return isGood;
}

const files = [...new Set(process.argv.slice(2).map((path) => resolve(path)))];
const isGood = await report(run({ files, concurrency: CONCURRENCY }));
if (!isGood) process.exitCode = 1;
