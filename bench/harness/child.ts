/** The next message from a child process. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** @throws Error if the process ends without a message */
export async function messageOf<T>(child: ChildProcess): Promise<T> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => []),
  ]);
  if (message === undefined) throw new Error('a child process ended without an answer');
  return message as T;
}
