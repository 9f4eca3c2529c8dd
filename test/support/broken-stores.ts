/** Runs a contract suite on broken stores, in a process of its own. */
import { spawnSync } from 'node:child_process';
import { childPath } from './compiled.ts';

/** The outcome of one test of a suite. */
export interface Verdict {
  /** The name of the store and the title of the test. */
  readonly title: string;
  readonly isPassed: boolean;
  readonly isSkipped: boolean;
}

/** Runs a program of the folder `children` that declares a suite for its stores. */
export function verdictsOf(program: string): Verdict[] {
  // With NODE_TEST_CONTEXT the child would report to our own runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const values = ['--test', '--test-reporter=tap', childPath(program)];
  const { stdout } = spawnSync(process.execPath, values, { encoding: 'utf8', env });
  const lines = stdout.matchAll(/^ *(ok|not ok) \d+ - (.*?: .*?)( # SKIP.*)?$/gm);
  return [...lines].map(([, verdict, title = '', skip]) => {
    return { title, isPassed: verdict === 'ok', isSkipped: skip !== undefined };
  });
}

export const failuresIn = (verdicts: readonly Verdict[]): string[] =>
  verdicts.filter(({ isPassed }) => !isPassed).map(({ title }) => title);
