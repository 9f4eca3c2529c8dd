/** A server of node:http or node:https with limits on time and size, and a stop that cuts nobody off. */
import { createServer, type IncomingMessage, type Server as NodeServer, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as NodeTlsServer } from 'node:https';
import { Server as TcpServer, type AddressInfo, type Socket } from 'node:net';
import { AuthError } from '../errors.ts';
import { objectWith, integerBetween, readOptions, nonEmptyString } from '../options.ts';
import type { AuthErrorCode } from '../errors.ts';
import type { Checks } from '../options.ts';
import { publishRefusal } from '../events.ts';
import { MAX_BODY_BYTES, Reply, sendReply } from './body.ts';
import { headerOf } from './request.ts';
import type { Router } from './router.ts';
import { checkedTls, rotateTicketKeys, secureSettings, STRICT_TRANSPORT_SECURITY } from './tls.ts';
import type { TlsOptions } from './tls.ts';

/** Where to listen. */
export interface ListenOptions {
  /** 0 to 65,535, default 3000. 0 takes any free port. */
  readonly port?: number;
  /** A name or an address; default 127.0.0.1, because plain HTTP belongs behind a TLS proxy. */
  readonly host?: string;
  /** Connections at once; 1 to 1,000,000, default as many as the system allows. Others are closed at once. */
  readonly maxConnections?: number;
  /** Serves HTTPS, in TLS 1.2 or 1.3. */
  readonly tls?: TlsOptions;
}

/** A server that is listening. */
export interface Server {
  /** `http://` or `https://` with the address and the port that it really has. */
  readonly url: string;
  /** The port that it really has. */
  readonly port: number;
  /** Takes another certificate for connections to come. @throws as listen, and without `tls`; the old one stays */
  renewTls(tls: TlsOptions): void;
  /** Stops accepting and lets what is in flight end; done when all connections are closed, 10 seconds at the most. */
  close(): Promise<void>;
}

interface Connection {
  /** What it still waits for, in the order of its requests: Node answers them in that order. */
  readonly inFlight: Set<ServerResponse>;
  latest: ServerResponse | undefined;
}

/** Milliseconds: for a whole request, for its headers, for an idle connection, for a TLS handshake. */
const TIMEOUTS = { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000, handshakeTimeout: 5_000 };
const SETTINGS = {
  ...TIMEOUTS,
  connectionsCheckingInterval: 1_000,
  // Node's refusal of a request without Host has no body; ours has.
  requireHostHeader: false,
  // NODE_OPTIONS could make the parser lenient, which permits request smuggling, or raise the
  // size of a header.
  insecureHTTPParser: false,
  maxHeaderSize: 16 * 1024,
};
const MAX_HEADERS = 1000;
/**
 * Pipelined requests that are not answered, over all connections: at most some 12 MB, and 420 MB if
 * each has a header of 16 KiB. The next one closes its connection. Node hands over up to some 2,200
 * of one connection before any handler can go on.
 */
const MAX_PIPELINED = 3000;

/** Without any bytes, for a connection that has no handler to wait for; Node gives a stuck write twice as long. */
const SILENCE_TIMEOUT_MS = 6_500;

const OPTION_CHECKS: Checks<ListenOptions> = {
  port: integerBetween(0, 65_535), host: nonEmptyString, maxConnections: integerBetween(1, 1_000_000),
  tls: () => undefined, // checkedTls judges it
};

/**
 * Serves an application, a `Router` or whatever has its `handle`.
 * @returns the server, once it listens
 * @throws TypeError or RangeError for a bad option, and what node:net and node:tls throw
 */
export async function listen(app: Pick<Router, 'handle'>, options: ListenOptions = {}): Promise<Server> {
  objectWith('handle')('app', app);
  const own = readOptions(options, OPTION_CHECKS);
  const { port = 3000, host = '127.0.0.1', maxConnections } = own;
  const tls = own.tls === undefined ? undefined : checkedTls(own.tls);
  const connections = new Map<Socket, Connection>();
  const pipelined = new Set<ServerResponse>();
  const server: NodeServer = tls === undefined
    ? createServer(SETTINGS)
    : createTlsServer({ ...SETTINGS, ...secureSettings(tls) });
  server.timeout = SILENCE_TIMEOUT_MS;
  server.maxHeadersCount = MAX_HEADERS;
  if (maxConnections !== undefined) server.maxConnections = maxConnections;

  /** Refuses what is no request, once every request that came whole before it has its answer. */
  const refuseInTurn = (socket: Socket, parserCode?: string): void => {
    const connection = connections.get(socket);
    if (connection !== undefined && isEnding(connection)) return;
    const own = [...(connection?.inFlight ?? [])];
    // The latest one may be answered already, although its body is still on its way.
    const isHalfAnswered = [...own, connection?.latest].some((response) => {
      return response?.headersSent === true && !response.req.complete;
    });
    const waiting = own.findLast((response) => response.req.complete && !response.writableEnded);
    if (!socket.writable || isHalfAnswered || connection === undefined) socket.destroy();
    else if (waiting === undefined) refuse(socket, tls !== undefined, parserCode);
    else waiting.once('finish', () => refuse(socket, tls !== undefined, parserCode));
  };
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    connections.set(socket, { inFlight: new Set(), latest: undefined });
    // Node takes its own listener away at CONNECT, and without one a reset would end the process.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      // Of these responses only the first one hears of the end.
      for (const response of connections.get(socket)?.inFlight ?? []) pipelined.delete(response);
      connections.delete(socket);
    });
  });
  const handle = (message: IncomingMessage, response: ServerResponse): void => {
    const connection = connections.get(message.socket);
    if (connection === undefined || !message.socket.writable || isEnding(connection)) return;
    const { inFlight } = connection;
    const isBehind = inFlight.size > 0;
    if (isBehind && pipelined.size >= MAX_PIPELINED) {
      // Answered requests no longer count: Node itself bounds answers that a client does not read.
      for (const other of pipelined) if (other.writableEnded) pipelined.delete(other);
    }
    if (isBehind && pipelined.size >= MAX_PIPELINED) {
      message.socket.destroy();
      return;
    }
    if (isBehind) pipelined.add(response);
    inFlight.add(response);
    connection.latest = response;
    response.on('close', () => {
      inFlight.delete(response);
      pipelined.delete(response);
    });
    if (tls !== undefined) {
      response.setHeader('Strict-Transport-Security', STRICT_TRANSPORT_SECURITY);
    }
    const fault = faultOf(message);
    const answer = () => app.handle(message, response);
    const { 'transfer-encoding': coding, 'content-length': length, upgrade } = message.headers;
    // Node throws away what follows an Upgrade in the same packet, so that the next packet could
    // begin in the middle of a request (RFC 9112 §11.2).
    const isLast = fault !== undefined || upgrade !== undefined || !server.listening;
    if (isLast) response.setHeader('Connection', 'close');
    // The parser looks at the beginning of a body first, which may be no such coding at all, and nobody answers that.
    if (fault === undefined) return (coding ?? length) === undefined ? answer() : queueMicrotask(answer);
    publishRefusal(fault, { address: message.socket.remoteAddress });
    sendReply(message, response, new Reply(fault.status, fault.body));
  };
  server.on('request', handle);
  server.on('checkContinue', (message, response) => {
    // RFC 9110 §10.1.1: nobody is asked for a body that will not be read.
    if (!(Number(message.headers['content-length']) > MAX_BODY_BYTES)) response.writeContinue();
    handle(message, response);
  });
  // An expectation other than 100-continue may be ignored (RFC 9110 §10.1.1).
  server.on('checkExpectation', handle);
  server.on('connect', (_message, socket) => refuseInTurn(socket as Socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseInTurn(socket as Socket, error.code));
  server.on('timeout', (socket) => {
    // What a handler works at takes as long as it takes, unless the client does not even read what is there.
    if (socket.writableLength > 0 || connections.get(socket)?.inFlight.size === 0) socket.destroy();
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const endRotation = tls === undefined ? () => {} : rotateTicketKeys(server as NodeTlsServer);
  // A TCP server has an address as long as it listens.
  const { address, family, port: actualPort } = server.address() as AddressInfo;

  const close = async (): Promise<void> => {
    // Not http's own close, which would cut off idle connections: a request may be on its way on one just used.
    const closed = new Promise<void>((resolve) => TcpServer.prototype.close.call(server, () => resolve()));
    for (const { inFlight } of connections.values()) {
      const last = [...inFlight].at(-1);
      if (last?.headersSent === false) last.setHeader('Connection', 'close');
    }
    const idle = setTimeout(() => server.closeIdleConnections(), 500);
    const deadline = setTimeout(() => server.closeAllConnections(), 10_000);
    await closed;
    clearTimeout(idle);
    clearTimeout(deadline);
    endRotation();
    // Ends Node's own check of the time limits.
    server.close();
  };
  const renewTls = (other: TlsOptions): void => {
    if (tls === undefined) throw new TypeError('"tls" expected to be there from the start');
    (server as NodeTlsServer).setSecureContext(secureSettings(checkedTls(other)));
  };
  const scheme = tls === undefined ? 'http' : 'https';
  const url = `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${actualPort}`;
  return { url, port: actualPort, renewTls, close };
}

/** RFC 9112 §9.6: what follows a request whose answer ends the connection, sent or not, is not acted upon. */
function isEnding({ latest }: Connection): boolean {
  if (latest === undefined || !latest.req.complete) return false;
  return !latest.shouldKeepAlive || latest.getHeader('Connection') === 'close';
}

/** RFC 9112 §3.2: HTTP/1.1 names its host, and nobody names two. §6.1: its one coding is chunked, 1.0 has none. */
function faultOf(message: IncomingMessage): AuthError | undefined {
  // RFC 9110 §5.4: Node leaves out what is beyond its limit, and a second Host or Authorization could hide there.
  if (message.rawHeaders.length >= 2 * MAX_HEADERS) return new AuthError('ERR_HEADERS_TOO_LARGE');
  const isOld = message.httpVersion === '1.0';
  const host = headerOf(message, 'host') ?? (isOld ? '' : ',');
  const coding = message.headers['transfer-encoding']?.toLowerCase();
  const isRead = coding === undefined || (coding === 'chunked' && !isOld);
  // §2.3: there is no other version in this syntax.
  const isProper = (isOld || message.httpVersion === '1.1') && /^[^\s,/@?#]*$/.test(host) && isRead;
  return isProper ? undefined : new AuthError('ERR_BAD_REQUEST');
}

const PARSER_REFUSALS: ReadonlyMap<string | undefined, AuthErrorCode> = new Map([
  ['HPE_HEADER_OVERFLOW', 'ERR_HEADERS_TOO_LARGE'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TIMEOUT'],
]);

/** Answers what never became a request. There is no response object for it, so the bytes are written as they are. */
function refuse(socket: Socket, isSecure: boolean, parserCode?: string): void {
  const refusal = new AuthError(PARSER_REFUSALS.get(parserCode) ?? 'ERR_BAD_REQUEST');
  const { status, error, body } = refusal;
  publishRefusal(refusal, { address: socket.remoteAddress });
  const text = `${JSON.stringify(body)}\n`;
  const head = [
    `HTTP/1.1 ${status} ${error}`,
    // RFC 9110 §6.6.1: a server with a clock says the time.
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
