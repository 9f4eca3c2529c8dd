/**
 * The open connections of a server, and the requests in flight on each. HTTP/1.1 pipelining lets a
 * client send requests before it has the replies, and Node sends the replies in the order of the
 * requests. A request without a body is handled once all replies before it are sent, so a client
 * that does not read costs one reply. A request with a body is handled at once: if nothing read the
 * body, Node would stop reading the connection, and not notice that the client disconnects.
 * Promise: a request behind one that ends its connection is never acted upon, and no request gets
 * two replies. If either were broken, an attacker could smuggle requests past a proxy.
 */
import { AuthError, type AuthErrorCode } from '../errors.ts';
import { publishRefusal } from '../events.ts';
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
// Jest's environment jsdom has no setImmediate, and a test may replace the global timers.
import { setImmediate } from 'node:timers';
import {
  CLOSE_IDLE_AFTER_MS,
  CLOSE_IDLE_UNDER_LOAD_AFTER_MS,
  LONG_TURN_MS,
  LONG_TURN_MS_A_REQUEST,
  MAX_PIPELINED,
} from './limits.ts';
import { defaultHeaders } from './reply.ts';
import { STRICT_TRANSPORT_SECURITY } from './tls.ts';

interface Connection {
  /** Replies that are not sent yet, in the order of their requests. */
  readonly inFlight: Set<ServerResponse>;
  /** The handlers of waiting requests. Each runs once the replies before its own are sent. */
  readonly waiting: Map<ServerResponse, () => void>;
  /** The waiting requests that were handled in this turn of the event loop; none if undefined. */
  turn: Turn | undefined;
  /** The reply to the latest request, in flight or not. */
  latest: ServerResponse | undefined;
  /** When it opened, or its last reply was sent: milliseconds of `performance.now`. */
  idleSinceMs: number;
}

interface Turn {
  /** Milliseconds of `performance.now`. */
  readonly sinceMs: number;
  count: number;
}

/** The open connections of one server. */
export class Connections {
  /** Called when a connection has opened, become idle or closed. */
  onChange: (() => void) | undefined;
  readonly #connections = new Map<Socket, Connection>();
  /** Open replies whose request came while an earlier one of its connection was in flight. */
  readonly #pipelined = new Set<ServerResponse>();
  readonly #isSecure: boolean;
  /**
   * Whether a request has come. Once a shutdown has begun: whether one was in flight then, or has
   * come since.
   */
  #hasRequests = false;

  /** @param isSecure whether the server serves TLS */
  constructor(isSecure: boolean) {
    this.#isSecure = isSecure;
  }

  /**
   * Adds a connection, and removes it once it closes. A connection with TLS is added twice: first
   * its TCP socket, which alone counts the bytes of the handshake; after the handshake its TLS
   * socket.
   */
  open(socket: Socket): void {
    const connection: Connection = {
      inFlight: new Set(),
      waiting: new Map(),
      turn: undefined,
      latest: undefined,
      idleSinceMs: performance.now(),
    };
    this.#connections.set(socket, connection);
    this.onChange?.();
    // At CONNECT Node removes its own 'error' listener. Without any, a reset would end the process.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      // Node emits 'close' only for the first of these replies.
      for (const response of connection.inFlight) this.#pipelined.delete(response);
      this.#connections.delete(socket);
      this.onChange?.();
    });
  }

  /**
   * Counts a request as in flight until its reply is closed.
   * @returns whether the request may be handled in its turn. If not, its connection is ending or
   *   closed, or this call closes it because too many requests are pipelined.
   */
  begin({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#connections.get(socket);
    if (connection === undefined || !socket.writable || isEnding(connection)) return false;
    const { inFlight } = connection;
    if (inFlight.size > 0) {
      if (!this.#makeRoom()) {
        socket.destroy();
        return false;
      }
      this.#pipelined.add(response);
    }
    inFlight.add(response);
    connection.latest = response;
    this.#hasRequests = true;
    response.on('close', () => {
      inFlight.delete(response);
      this.#pipelined.delete(response);
      this.#handleNext(connection, socket);
      if (inFlight.size > 0) return;
      connection.idleSinceMs = performance.now();
      this.onChange?.();
    });
    return true;
  }

  /** Handles a request without a body that has begun, once all replies before it are sent. */
  handleInTurn({ socket }: IncomingMessage, response: ServerResponse, handle: () => void): void {
    const connection = this.#connections.get(socket);
    const isFirst = connection === undefined || connection.inFlight.size === 1;
    if (isFirst) handle();
    // Unbound, it would run in the async context of the request before it, and with its identity.
    else connection.waiting.set(response, AsyncResource.bind(handle));
  }

  /** @returns whether an open connection has no request in flight */
  isIdle(socket: Socket): boolean {
    return this.#connections.get(socket)?.inFlight.size === 0;
  }

  /**
   * Refuses a request for which Node makes no response object: a CONNECT, bytes that its parser
   * could not read, or a request that arrived too slowly. The refusal comes after the replies to
   * all complete requests before it.
   * @param parserCode the code of Node's error; none for a CONNECT
   */
  refuseInTurn(socket: Socket, parserCode?: string): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    if (isEnding(connection)) return;
    const responses = [...connection.inFlight];
    // If a request is not complete, the bytes that failed are its body. Once its reply has begun, a
    // refusal would be a second reply.
    const hasReplyBegun = [...responses, connection.latest].some((response) => {
      return response?.headersSent === true && !response.req.complete;
    });
    if (!socket.writable || hasReplyBegun) {
      socket.destroy();
      return;
    }
    const refuse = () => {
      // A reply may have ended the connection by now.
      if (socket.writable) writeRefusal(socket, this.#isSecure, parserCode);
    };
    // A reply that has ended may still wait for those before it.
    const last = responses.findLast(({ req, writableFinished: isSent }) => req.complete && !isSent);
    if (last === undefined) refuse();
    else last.once('finish', refuse);
  }

  /**
   * Begins a shutdown. Sets `Connection: close` on the last reply in flight of each connection, so
   * that the client sends no more requests. It cannot be set on a reply whose headers are sent
   * already.
   */
  endAfterReplies(): void {
    this.#hasRequests = false;
    for (const { inFlight } of this.#connections.values()) {
      if (inFlight.size > 0) this.#hasRequests = true;
      const last = [...inFlight].at(-1);
      if (last?.headersSent === false) last.setHeader('Connection', 'close');
    }
  }

  /**
   * @returns the milliseconds until every idle connection has been idle for as long as a graceful
   *   shutdown requires; 0 if there is none; undefined while a reply is written, but not sent yet
   */
  idleWaitMs(): number | undefined {
    let latestMs = -Infinity;
    for (const { inFlight, idleSinceMs } of this.#connections.values()) {
      for (const { writableEnded } of inFlight) if (writableEnded) return undefined;
      if (inFlight.size === 0) latestMs = Math.max(latestMs, idleSinceMs);
    }
    const afterMs = this.#hasRequests ? CLOSE_IDLE_UNDER_LOAD_AFTER_MS : CLOSE_IDLE_AFTER_MS;
    return Math.max(0, Math.ceil(latestMs + afterMs - performance.now()));
  }

  /** Closes the connections on which no byte has been received. */
  closeUnused(): void {
    for (const [socket, { latest }] of this.#connections) {
      if (latest === undefined && socket.bytesRead === 0) socket.destroy();
    }
  }

  /** Closes all connections, also those with a CONNECT, which Node does not count any longer. */
  closeAll(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
  }

  /** Handles the request whose reply is the next one to be sent, if it waits. */
  #handleNext(connection: Connection, socket: Socket): void {
    const [next] = connection.inFlight;
    const handle = next && connection.waiting.get(next);
    // The reply before it may have ended the connection.
    if (next === undefined || handle === undefined || !socket.writable) return;
    connection.waiting.delete(next);
    const turn = turnOf(connection);
    const turnMs = performance.now() - turn.sinceMs;
    const isLong = turnMs >= LONG_TURN_MS && turnMs >= turn.count * LONG_TURN_MS_A_REQUEST;
    if (isLong && this.#connections.size > 1) {
      // The others have their turn first.
      setImmediate(() => {
        if (socket.writable) handle();
      });
    } else {
      turn.count += 1;
      handle();
    }
  }

  /**
   * If the limit is reached, closes the connections whose clients do not read their replies.
   * @returns whether one more request may be pipelined
   */
  #makeRoom(): boolean {
    if (this.#pipelined.size < MAX_PIPELINED) return true;
    for (const response of this.#pipelined) {
      const { socket } = response.req;
      const [first] = this.#connections.get(socket)?.inFlight ?? [];
      const isUnread = first?.writableEnded === true && socket.writableLength > 0;
      if (isUnread) socket.destroy();
      if (socket.destroyed) this.#pipelined.delete(response);
    }
    return this.#pipelined.size < MAX_PIPELINED;
  }
}

/**
 * @returns the current turn of a connection. It begins at the first call, and ends with the turn of
 *   the event loop.
 */
function turnOf(connection: Connection): Turn {
  if (connection.turn === undefined) {
    connection.turn = { sinceMs: performance.now(), count: 0 };
    setImmediate(() => {
      connection.turn = undefined;
    });
  }
  return connection.turn;
}

/** RFC 9112 §9.6: a server must not act on requests behind one whose reply ends the connection. */
function isEnding({ latest }: Connection): boolean {
  // While the latest request is arriving, no other can be behind it.
  if (latest === undefined || !latest.req.complete) return false;
  return !latest.shouldKeepAlive || latest.getHeader('Connection') === 'close';
}

/** Refusals by the code of Node's error. Any other error is refused as ERR_BAD_REQUEST. */
const REFUSAL_BY_PARSER_CODE: ReadonlyMap<string, AuthErrorCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'ERR_HEADERS_TOO_LARGE'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TIMEOUT'],
]);

/** Writes a refusal to the socket itself, where Node makes no response object. */
function writeRefusal(socket: Socket, isSecure: boolean, parserCode = ''): void {
  const refusal = new AuthError(REFUSAL_BY_PARSER_CODE.get(parserCode) ?? 'ERR_BAD_REQUEST');
  const { status, error, body, headers } = refusal;
  publishRefusal(refusal, { address: socket.remoteAddress });
  const text = `${JSON.stringify(body)}\n`;
  const head = [
    `HTTP/1.1 ${status} ${error}`,
    // RFC 9110 §6.6.1: a server with a clock sends the date.
    `Date: ${new Date().toUTCString()}`,
    ...Object.entries({ ...defaultHeaders(), ...headers }).map(([name, value]) => {
      return `${name}: ${value}`;
    }),
    ...(isSecure ? [`Strict-Transport-Security: ${STRICT_TRANSPORT_SECURITY}`] : []),
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Connection: close',
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${text}`, () => socket.destroy());
}
