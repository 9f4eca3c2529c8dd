/**
 * The command in child processes with their streams, exit codes and signals, for the tests of several files.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

/** The command as it stands in a folder like that of a clone. */
export const commandIn = (folder: string): string[] => {
  return [process.execPath, '--import', import.meta.resolve('tsx'), '--', join(folder, 'src/cli/main.ts')];
};

/** How a command ended, and what it had said. */
interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The folder, what stands in the environment beside our own, and the words that the arguments follow. */
type Where = {
  cwd?: string;
  env?: Record<string, string>;
  command?: readonly string[];
  /** After which it is killed; a minute by default. */
  timeoutMs?: number;
};

/** A folder that is removed in the end. */
const base = await mkdtemp(join(tmpdir(), 'latchkey-cli-'));
export const emptyFolder = (): Promise<string> => mkdtemp(join(base, 'folder-'));
const children = new Set<ChildProcess>();

after(async () => {
  for (const child of children) signalGroup(child, 'SIGKILL');
  await rm(base, { recursive: true });
});

/** Each child leads a group, because npm has children of its own. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // The whole group has ended by itself.
  }
}

export function start(args: string, where: Where = {}) {
  const { cwd = base, env = {}, command = commandIn(ROOT), timeoutMs = 60_000 } = where;
  const [file = '', ...words] = [...command, ...args.split(' ').filter((word) => word !== '')];
  const clean = { ...process.env, PORT: undefined, HOST: undefined, LATCHKEY_SECRET: undefined, NO_PROXY: '*' };
  const limit = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
  const child = spawn(file, words, { cwd, env: { ...clean, ...env }, detached: true, ...limit });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (some: string) => (output[name] += some));
  }
  const ended = once(child, 'close').then(([code]): Ended => {
    children.delete(child);
    return { code, ...output };
  });
  return { child, output, ended };
}

export const run = (args: string, where?: Where): Promise<Ended> => start(args, where).ended;

/** @returns once it listens and has said all that it says then */
export async function serve(args: string, where?: Where) {
  const started = start(args, where);
  const url = await new Promise<string>((resolve, reject) => {
    started.child.stdout.on('data', () => {
      const said = /listens on (https?:\S+\d)\b.*\n(.*\n){4}/.exec(started.output.stdout);
      if (said?.[1] !== undefined) resolve(said[1]);
    });
    started.child.on('close', () => reject(new Error(`it does not listen: ${started.output.stderr}`)));
  });
  return { ...started, url, port: Number(new URL(url).port) };
}

/** One line, for a person, and nothing else. */
export function assertRefused(ended: Ended, expected: number, words: RegExp[]): void {
  const { code, stdout, stderr } = ended;
  assert.match(stderr, /^latchkey: .+\n$/);
  assert.doesNotMatch(stderr, /\bat .*:\d+:\d+|\.ts\b|node:/, 'a stack trace');
  for (const word of words) assert.match(stderr, word);
  assert.deepEqual({ code, stdout }, { code: expected, stdout: '' });
}

