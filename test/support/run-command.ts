/** Runs the command in child processes and collects what they print. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { commandPath, ROOT } from './compiled.ts';

export { ROOT };

/** The command as it runs in a clone of the repository, by tsx. */
export const commandIn = (folder: string): string[] => {
  const main = join(folder, 'src/cli/main.ts');
  return [process.execPath, '--import', import.meta.resolve('tsx'), '--', main];
};

/** How a command ended, and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Where {
  readonly cwd?: string;
  /** Variables to add to the environment. */
  readonly env?: Record<string, string>;
  /** The program and its first arguments; the compiled command by default. */
  readonly command?: readonly string[];
  /** After which the child is killed; a minute by default. */
  readonly timeoutMs?: number;
}

const base = mkdtempSync(join(tmpdir(), 'latchkey-cli-'));
const children = new Set<ChildProcess>();

after(async () => {
  for (const child of children) signalGroup(child, 'SIGKILL');
  await rm(base, { recursive: true });
});

/** Makes a folder that is removed after the tests of the file. */
export const emptyFolder = (): Promise<string> => mkdtemp(join(base, 'folder-'));

/** The command as it runs in an installed package: compiled. */
export function command(): readonly string[] {
  return [process.execPath, '--', commandPath()];
}

/** Sends a signal to a child and its children: each child leads a group, and npm has children. */
export function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // The whole group has ended by itself.
  }
}

/** What the tests set themselves, so that the environment of a developer does not matter. */
const CLEAN = { PORT: undefined, HOST: undefined, LATCHKEY_SECRET: undefined, NO_PROXY: '*' };

/** Starts the command. @param args separated by spaces */
export function start(args: string, where: Where = {}) {
  const { cwd = base, env = {}, timeoutMs = 60_000 } = where;
  const words = args.split(' ').filter((word) => word !== '');
  const [file = '', ...first] = where.command ?? command();
  const child = spawn(file, [...first, ...words], {
    cwd,
    env: { ...process.env, ...CLEAN, ...env },
    detached: true,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  children.add(child);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
  }
  const ended = once(child, 'close').then(([code]): Ended => {
    children.delete(child);
    return { code, ...output };
  });
  return { child, output, ended };
}

/** Runs the command to its end. */
export const run = (args: string, where?: Where): Promise<Ended> => start(args, where).ended;

/** The first line of the server. */
const STARTED = /listens on (https?:\S+), users .*\n/;

/** Starts the server. @returns once it listens and has printed its first line */
export async function serve(args: string, where?: Where) {
  const started = start(args, where);
  const url = await new Promise<string>((resolve, reject) => {
    started.child.stdout.on('data', () => {
      const url = STARTED.exec(started.output.stdout)?.[1];
      if (url !== undefined) resolve(url);
    });
    started.child.on('close', () => {
      reject(new Error(`the server does not listen: ${started.output.stderr}`));
    });
  });
  return { ...started, url, port: Number(new URL(url).port) };
}

/** Stops a server by SIGTERM. @returns once it has ended */
export function stop({ child, ended }: ReturnType<typeof start>): Promise<Ended> {
  child.kill('SIGTERM');
  return ended;
}

/** @returns the lines of a log in JSON. It throws if stderr has any other line. */
export function logLines(stderr: string): Record<string, unknown>[] {
  assert.ok(stderr === '' || stderr.endsWith('\n'), stderr);
  return stderr.split('\n').slice(0, -1).map((line) => JSON.parse(line));
}

/** @returns the permissions of a file or a folder, such as `600` */
export async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** Asserts that a command failed with one line for a person on stderr, and nothing else. */
export function assertRefused(ended: Ended, expected: number, words: readonly RegExp[]): void {
  const { code, stdout, stderr } = ended;
  assert.match(stderr, /^latchkey: .+\n$/);
  assert.doesNotMatch(stderr, /\bat .*:\d+:\d+|\.[jt]s\b|node:/, 'a stack trace');
  for (const word of words) assert.match(stderr, word);
  assert.deepEqual({ code, stdout }, { code: expected, stdout: '' });
}
