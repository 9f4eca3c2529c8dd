/** What child processes tell: messages, and the line with the URL of a server. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** @returns the next message @throws Error if the process ends without one */
export async function messageOf<T>(child: ChildProcess): Promise<T> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => []),
  ]);
  if (message === undefined) throw new Error('a child process ended without an answer');
  return message as T;
}

/** Sends a message. @returns the answer @throws Error if the process ends without one */
export function askChild<T>(child: ChildProcess): Promise<T> {
  child.send('report');
  return messageOf<T>(child);
}

/** @returns the URL in the first line of a server @throws Error if it ends or has no URL */
export async function printedUrl(server: ChildProcess): Promise<URL> {
  const [line] = await Promise.race([once(server.stdout!, 'data'), once(server, 'exit')]);
  const [url] = /http:[^\s,]+/.exec(String(line)) ?? [];
  if (url === undefined) throw new Error(`the server does not listen: ${line}`);
  return new URL(url);
}
