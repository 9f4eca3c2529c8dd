/** What curl needs in a shell to reach the server. */

const HARMLESS_IN_SHELL = /^[\w./:@%+-]+$/;

/**
 * @param url where the server listens
 * @param socket the path of its Unix socket, if it has one
 * @returns words to paste into a shell, to which the path of a route is added
 */
export function curlTarget(url: string, socket: string | undefined): string {
  if (socket === undefined) return url;
  const quoted = HARMLESS_IN_SHELL.test(socket) ? socket : `'${socket.replaceAll("'", `'\\''`)}'`;
  const scheme = url.startsWith('https:') ? 'https' : 'http';
  return `--unix-socket ${quoted} ${scheme}://localhost`;
}
