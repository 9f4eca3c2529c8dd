/**
 * The open connections of a server, and the requests in flight on each. HTTP/1.1 pipelining lets a
 * client send requests before it has the replies, and Node sends the replies in that order.
 * Promise: a request behind one that ends its connection is never acted upon, and no connection
 * gets two answers to one request. Either could be used for HTTP request smuggling.
 */
import { AuthError, type AuthErrorCode } from '../errors.ts';
import { publishRefusal } from '../events.ts';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { MAX_PIPELINED } from './limits.ts';
import { STRICT_TRANSPORT_SECURITY } from './tls.ts';

interface Connection {
  /** Replies that are not sent yet, in the order of their requests. */
  readonly inFlight: Set<ServerResponse>;
  /** The reply to the latest request, in flight or not. */
  latest: ServerResponse | undefined;
}

/** The open connections of one server. */
export class Connections {
  readonly #connections = new Map<Socket, Connection>();
  /** Replies in flight behind another one of their connection, over all connections. */
  readonly #pipelined = new Set<ServerResponse>();
  readonly #isSecure: boolean;

  /** @param isSecure whether they are TLS connections */
  constructor(isSecure: boolean) {
    this.#isSecure = isSecure;
  }

  /** Adds a connection until it closes. */
  open(socket: Socket): void {
    const connection: Connection = { inFlight: new Set(), latest: undefined };
    this.#connections.set(socket, connection);
    // Node removes its own listener at CONNECT. Without one, a reset would end the process.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      // Node emits 'close' for the first of these replies only.
      for (const response of connection.inFlight) this.#pipelined.delete(response);
      this.#connections.delete(socket);
    });
  }

  /**
   * Counts a request as in flight until its reply is closed.
   * @returns whether it may be handled. It may not if its connection is ending or has gone, or if
   *   there are too many pipelined requests, which closes its connection.
   */
  begin({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#connections.get(socket);
    if (connection === undefined || !socket.writable || isEnding(connection)) return false;
    const { inFlight } = connection;
    if (inFlight.size > 0) {
      if (!this.#hasRoom()) {
        socket.destroy();
        return false;
      }
      this.#pipelined.add(response);
    }
    inFlight.add(response);
    connection.latest = response;
    response.on('close', () => {
      inFlight.delete(response);
      this.#pipelined.delete(response);
    });
    return true;
  }

  /** @returns whether an open connection has no request in flight */
  isIdle(socket: Socket): boolean {
    return this.#connections.get(socket)?.inFlight.size === 0;
  }

  /**
   * Refuses bytes that the parser could not read as a request, after the replies to all complete
   * requests before them.
   * @param parserCode the code of Node's parser error
   */
  refuseInTurn(socket: Socket, parserCode?: string): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    if (isEnding(connection)) return;
    const responses = [...connection.inFlight];
    // The latest request may have its reply although its body is still arriving.
    const isHalfAnswered = [...responses, connection.latest].some((response) => {
      return response?.headersSent === true && !response.req.complete;
    });
    if (!socket.writable || isHalfAnswered) {
      socket.destroy();
      return;
    }
    const refuse = () => writeRefusal(socket, this.#isSecure, parserCode);
    const last = responses.findLast(({ req, writableEnded }) => req.complete && !writableEnded);
    if (last === undefined) refuse();
    else last.once('finish', refuse);
  }

  /** Marks the last reply in flight on each connection as the last one of that connection. */
  endAfterReplies(): void {
    for (const { inFlight } of this.#connections.values()) {
      const last = [...inFlight].at(-1);
      if (last?.headersSent === false) last.setHeader('Connection', 'close');
    }
  }

  /** @returns whether one more request may be pipelined */
  #hasRoom(): boolean {
    if (this.#pipelined.size < MAX_PIPELINED) return true;
    // Node itself bounds the replies that a client does not read, so they do not count.
    for (const response of this.#pipelined) {
      if (response.writableEnded) this.#pipelined.delete(response);
    }
    return this.#pipelined.size < MAX_PIPELINED;
  }
}

/** RFC 9112 §9.6: a server must not act on requests behind one whose reply ends the connection. */
function isEnding({ latest }: Connection): boolean {
  if (latest === undefined || !latest.req.complete) return false;
  return !latest.shouldKeepAlive || latest.getHeader('Connection') === 'close';
}

/** Errors of Node's parser that have a code of their own. */
const PARSER_ERRORS: ReadonlyMap<string | undefined, AuthErrorCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'ERR_HEADERS_TOO_LARGE'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TIMEOUT'],
]);

/** Node makes no response object for bytes that are not a request, so the reply is written here. */
function writeRefusal(socket: Socket, isSecure: boolean, parserCode?: string): void {
  const refusal = new AuthError(PARSER_ERRORS.get(parserCode) ?? 'ERR_BAD_REQUEST');
  const { status, error, body } = refusal;
  publishRefusal(refusal, { address: socket.remoteAddress });
  const text = `${JSON.stringify(body)}\n`;
  const head = [
    `HTTP/1.1 ${status} ${error}`,
    // RFC 9110 §6.6.1: a server with a clock sends the date.
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/json',
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    ...(isSecure ? [`Strict-Transport-Security: ${STRICT_TRANSPORT_SECURITY}`] : []),
    `Content-Length: ${text.length}`,
    'Connection: close',
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${text}`, () => socket.destroy());
}
