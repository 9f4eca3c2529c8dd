/** The next message of a process that this one began. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** @throws Error if the process ends without one */
export async function messageOf<T>(child: ChildProcess): Promise<T> {
  const [message] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => []),
  ]);
  if (message === undefined) throw new Error('a process ended without an answer');
  return message as T;
}
