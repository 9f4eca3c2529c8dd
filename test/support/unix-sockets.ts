/** Requests over Unix sockets, and sockets that a killed process left. */
import { once } from 'node:events';
import { linkSync, renameSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';

/** Sends a GET with its own connection. @returns the body of the reply */
export async function getOver(
  socketPath: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const sent = request({ socketPath, path, headers, agent: false }).end();
  const [response] = await once(sent, 'response');
  return text(response);
}

/** Makes a socket file behind which no process listens. */
export async function leaveStaleSocket(path: string): Promise<void> {
  const server = createServer().listen(path);
  await once(server, 'listening');
  // At close libuv removes the socket by its first name.
  linkSync(path, `${path}-kept`);
  await new Promise((closed) => server.close(closed));
  renameSync(`${path}-kept`, path);
}
