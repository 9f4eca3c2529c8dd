/** What `latchkey serve` prints to stdout once it listens. */

/** What the text says. */
export interface ServerStart {
  readonly url: string;
  /** The path of the Unix socket, if the server listens on one. */
  readonly socket: string | undefined;
  /** Where users, sessions and secrets are kept. It begins with `users`. */
  readonly places: string;
  /** Whether the server has a page. A browser can open it unless the server is on a Unix socket. */
  readonly page: boolean;
  readonly minPasswordLength: number;
  /** Whether stdout is a terminal. Only then are there lines of curl, for a person to paste. */
  readonly isTerminal: boolean;
}

/**
 * @returns one line, for which scripts wait: `latchkey listens on <url>, users ...`. On a terminal
 *   lines of curl follow, below an empty line.
 */
export function startText(start: ServerStart): string {
  const { url, socket, places, page, minPasswordLength, isTerminal } = start;
  const hasPage = page && socket === undefined;
  const statement = `latchkey listens on ${url}, ${places}.`;
  const invitation = hasPage ? ` Open ${url}/ in a browser` : '';
  if (!isTerminal) return hasPage ? `${statement}${invitation}.` : statement;
  const trial = hasPage ? `${invitation}, or try it:` : ' Try it:';
  return `${statement}${trial}\n\n${curlLines(curlTarget(url, socket), minPasswordLength)}`;
}

const HARMLESS_IN_SHELL = /^[\w./:@%+-]+$/;

/**
 * @param socket the path of the Unix socket, if the server listens on one
 * @returns words for a shell that curl needs before the path of a route
 */
export function curlTarget(url: string, socket: string | undefined): string {
  if (socket === undefined) return url;
  const quoted = HARMLESS_IN_SHELL.test(socket) ? socket : `'${socket.replaceAll("'", `'\\''`)}'`;
  const scheme = url.startsWith('https:') ? 'https' : 'http';
  return `--unix-socket ${quoted} ${scheme}://localhost`;
}

/**
 * @param target from `curlTarget`
 * @returns lines to paste into a shell, with a password that the server accepts. `tee` shows the
 *   answer to the login. If it is a refusal, `sed` prints nothing, so TOKEN is empty, and the shell
 *   does not run the command that needs a token.
 */
export function curlLines(target: string, minPasswordLength: number): string {
  const body = `{"username":"joe","password":"${examplePassword(minPasswordLength)}"}`;
  return `  JSON='Content-Type: application/json' BODY='${body}'
  curl ${target}/signup -H "$JSON" -d "$BODY"
  TOKEN=$(curl -sS ${target}/auth -H "$JSON" -d "$BODY" |
    tee /dev/stderr | sed -n 's/.*"access_token":"\\([^"]*\\)".*/\\1/p')
  curl ${target}/hello -H "Authorization: JWT \${TOKEN:?no token}"
  curl -i ${target}/hello`;
}

/**
 * @returns a password that the server accepts. It has a space, which no common password has, and no
 *   quotation mark, which would end the string in the shell.
 */
function examplePassword(minLength: number): string {
  const short = 'correct horse';
  const password = minLength > short.length ? `${short} battery staple` : short;
  return password.padEnd(minLength, 'staple');
}
