/** The command `latchkey serve` as users run it, over files in a folder of its own. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIST } from './harness/built.ts';
import { askChild, printedUrl } from './harness/child.ts';
import { PASSWORD } from './harness/scrypt.ts';
import { SECRET } from './harness/secret.ts';
import type { Usage } from './processes/hello-child.ts';

const JOE = JSON.stringify({ username: 'joe', password: PASSWORD });

/** A command that serves. */
export interface Command {
  readonly port: number;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/**
 * @param flags beside those for the port and the folder
 * @param environment beside that of this process
 */
export async function startCommand(
  flags: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Command> {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
  const words = ['serve', '--port', '0', '--data', join(folder, 'data'), ...flags];
  const child = fork(join(DIST, 'cli/main.js'), words, {
    env: { ...process.env, LATCHKEY_SECRET: SECRET, ...environment },
    execArgv: ['--import', join(import.meta.dirname, 'processes/usage.js')],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const { port } = await printedUrl(child);
  child.stdout?.resume();
  return {
    port: Number(port),
    usage: () => askChild<Usage>(child),
    stop: async () => {
      const isOver = once(child, 'exit');
      child.kill();
      await isOver;
      rmSync(folder, { recursive: true });
    },
  };
}

/** @returns the text of the reply, which must be a success */
async function postJoe(port: number, path: string): Promise<string> {
  const headers = { 'Content-Type': 'application/json' };
  const url = `http://127.0.0.1:${port}${path}`;
  const reply = await fetch(url, { method: 'POST', headers, body: JOE });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  return text;
}

export async function signUp(port: number): Promise<void> {
  await postJoe(port, '/signup');
}

/** @returns the token */
export async function logIn(port: number): Promise<string> {
  const text = await postJoe(port, '/auth');
  assert.match(text, /^\{"access_token":"[\w.-]+"\}\n$/);
  return (JSON.parse(text) as { readonly access_token: string }).access_token;
}
