/** The shape of a row of raw requests, and the parts of which rows are built. */

/** Appears in names, hosts, targets, headers and bodies. No reply may repeat it. */
export const MARK = 'mallory';

/** The bytes that one connection sends, and the replies that may come back. */
export interface RawRow {
  readonly name: string;
  readonly bytes: Buffer;
  /** The status of each reply, in order; if there are none, the connection closes without one. */
  readonly answers: readonly number[];
  /** Whether the connection stays open after them, and the server reads on at the right byte. */
  readonly isKept: boolean;
  /** How the client ends the connection after its bytes; by default the server ends it. */
  readonly end?: 'FIN' | 'RST';
}

/** Encodes each character as one byte. */
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** @returns a text as it may stand in the name of a row */
export function show(text: string): string {
  const beginning = text.length > 70 ? `${text.slice(0, 60)}, ${text.length} in all` : text;
  return JSON.stringify(beginning).slice(1, -1);
}

export const TYPE = 'Content-Type: application/json\r\n';
export const CHUNKED = 'Transfer-Encoding: chunked\r\n';
export const LOGIN = `{"username":"${MARK}","password":"a password"}`;

export const lengthOf = (body: string): string => `Content-Length: ${body.length}\r\n`;
export const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;

export function get(headers = '', target = '/hello'): string {
  return `GET ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
}

/** A POST without a length, unless `headers` has one. */
export function post(headers: string, body: string, path = '/auth'): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\n${TYPE}${headers}\r\n${body}`;
}

/** A POST with its length. */
export function whole(body: string, headers = '', path = '/auth'): string {
  return post(headers + lengthOf(body), body, path);
}

/** A signup behind every row that must end its connection. It must not be acted upon. */
export const SIGNUP: string = whole(LOGIN, '', '/signup');

/** A row that ends the connection, so that nothing behind it is acted upon (RFC 9112 §9.6). */
export function closes(name: string, text: string, ...answers: number[]): RawRow {
  return { name, bytes: bytesOf(text + SIGNUP), answers, isKept: false };
}

/** A row that is an odd but valid request: the next request on its connection gets a reply. */
export function stays(name: string, text: string, ...answers: number[]): RawRow {
  return { name, bytes: bytesOf(text), answers, isKept: true };
}

/** A row whose client ends or resets the connection. */
export function cut(
  end: 'FIN' | 'RST',
  name: string,
  text: string,
  ...answers: number[]
): RawRow {
  return { name: `${name}, then ${end}`, bytes: bytesOf(text), answers, isKept: false, end };
}
