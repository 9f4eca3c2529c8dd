/** A node:http server with time limits and a stop that cuts nobody off. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AuthError, having, integer, readOptions, text, type AuthErrorCode } from '../errors.ts';
import { Reply, sendReply } from './json.ts';
import { HttpRequest, type Router } from './router.ts';

/** Where to listen. */
export interface ListenOptions {
  /** 0 to 65,535, default 3000. 0 takes any free port. */
  readonly port?: number;
  /** A name or an address; default 127.0.0.1, because plain HTTP belongs behind a TLS proxy. */
  readonly host?: string;
}

/** A server that is listening. */
export interface Server {
  /** `http://` with the address and the port that it really has. */
  readonly url: string;
  readonly port: number;
  /** Stops accepting and lets what is in flight end; done when all connections are closed, 10 seconds at the most. */
  close(): Promise<void>;
}

/** Milliseconds: for a whole request, for its headers, for an idle connection. */
const TIMEOUTS = { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000 };

/** Serves an application over plain HTTP. @throws TypeError or RangeError for a bad option, and what node:net throws */
export async function listen(app: Pick<Router, 'handle'>, options: ListenOptions = {}): Promise<Server> {
  having('handle')('app', app);
  const { port = 3000, host = '127.0.0.1' } = readOptions(options, { port: integer(0, 65_535), host: text });
  /** What each connection still waits for, in the order of its requests: Node answers them in that order. */
  const inFlight = new Map<Duplex, Set<ServerResponse>>();
  // Node's refusal of a request without Host has no body; ours has.
  const server = createServer({ ...TIMEOUTS, connectionsCheckingInterval: 1_000, requireHostHeader: false });

  /** Refuses what is no request, once every request that came whole before it has its answer. */
  const refuseInTurn = (socket: Duplex, parserCode?: string): void => {
    const own = [...(inFlight.get(socket) ?? [])];
    const isHalfAnswered = own.some((response) => response.headersSent && !response.req.complete);
    const waiting = own.findLast((response) => response.req.complete && !response.writableEnded);
    if (!socket.writable || isHalfAnswered) socket.destroy();
    else if (waiting === undefined) refuse(socket, parserCode);
    else waiting.once('finish', () => refuse(socket, parserCode));
  };
  server.on('connection', (socket) => {
    inFlight.set(socket, new Set());
    // Node takes its own listener away at CONNECT, and without one a reset would end the process.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => inFlight.delete(socket));
  });
  server.on('request', (message, response) => {
    const own = inFlight.get(message.socket);
    // RFC 9112 §9.6: what follows an answer that ends the connection is not acted upon.
    if (own === undefined || !message.socket.writable) return;
    own.add(response);
    response.on('close', () => own.delete(response));
    if (!server.listening) response.setHeader('Connection', 'close');
    // RFC 9112 §3.2: a request of HTTP/1.1 names its host, and none names two.
    const host = new HttpRequest(message).header('host') ?? (message.httpVersion === '1.1' ? ',' : '');
    if (/^[^\s,/@?#]*$/.test(host)) app.handle(message, response);
    else sendReply(message, response, new Reply(400, new AuthError('ERR_BAD_REQUEST').body, { Connection: 'close' }));
  });
  // An expectation other than 100-continue may be ignored (RFC 9110 §10.1.1).
  server.on('checkExpectation', (message, response) => server.emit('request', message, response));
  server.on('connect', (_message, socket) => refuseInTurn(socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseInTurn(socket, error.code));

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  // A TCP server has an address as long as it listens.
  const { address, family, port: actualPort } = server.address() as AddressInfo;

  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const own of inFlight.values()) {
      const last = [...own].at(-1);
      if (last?.headersSent === false) last.setHeader('Connection', 'close');
    }
    const deadline = setTimeout(() => server.closeAllConnections(), 10_000);
    await closed;
    clearTimeout(deadline);
  };
  return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${actualPort}`, port: actualPort, close };
}

const PARSER_REFUSALS: ReadonlyMap<string | undefined, AuthErrorCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'ERR_HEADERS_TOO_LARGE'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TIMEOUT'],
]);

/** Answers what never became a request. There is no response object for it, so the bytes are written as they are. */
function refuse(socket: Duplex, parserCode?: string): void {
  const { status, error, body } = new AuthError(PARSER_REFUSALS.get(parserCode) ?? 'ERR_BAD_REQUEST');
  const text = `${JSON.stringify(body)}\n`;
  const type = 'Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store';
  const head = `HTTP/1.1 ${status} ${error}\r\n${type}\r\nContent-Length: ${Buffer.byteLength(text)}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${text}`, () => socket.destroy());
}
