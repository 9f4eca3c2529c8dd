/**
 * A server of node:http or node:https. Promise: each request is bounded in time and size, a request
 * that could be read in two ways is refused (HTTP request smuggling), and a graceful shutdown lets
 * requests in flight end.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server as NodeServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as TcpServer, type AddressInfo, type Socket } from 'node:net';
import { AuthError } from '../errors.ts';
import { publishRefusal } from '../events.ts';
import { integerBetween, nonEmptyString, objectWith, readOptions } from '../options.ts';
import type { Checks } from '../options.ts';
import { Connections } from './connections.ts';
import {
  CLOSE_ALL_AFTER_MS,
  CLOSE_IDLE_AFTER_MS,
  HANDSHAKE_TIMEOUT_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  MAX_BODY_BYTES,
  MAX_HEADER_BYTES,
  MAX_HEADERS,
  REQUEST_TIMEOUT_MS,
  SILENCE_TIMEOUT_MS,
  TIMEOUT_CHECK_MS,
} from './limits.ts';
import { Reply, sendReply } from './reply.ts';
import { headerOf } from './request.ts';
import type { Router } from './router.ts';
import { checkedTls, rotateTicketKeys, secureSettings, STRICT_TRANSPORT_SECURITY } from './tls.ts';
import type { TlsOptions } from './tls.ts';

/** The options of {@link listen}. */
export interface ListenOptions {
  /** 0 to 65,535, default 3000. 0 takes any free port. */
  readonly port?: number;
  /** A name or an address; default 127.0.0.1, because plain HTTP belongs behind a TLS proxy. */
  readonly host?: string;
  /**
   * Open connections, 1 to 1,000,000; default as many as the system allows. Any more are closed at
   * once.
   */
  readonly maxConnections?: number;
  /** Serves HTTPS, with TLS 1.2 and 1.3. */
  readonly tls?: TlsOptions;
}

/** A server that is listening. */
export interface Server {
  /** `http://` or `https://` with the actual address and port. */
  readonly url: string;
  /** The actual port. */
  readonly port: number;
  /**
   * Uses another certificate for new connections.
   * @throws as {@link listen}, and without the option `tls`; then the old certificate stays
   */
  renewTls(tls: TlsOptions): void;
  /**
   * Graceful shutdown: stops accepting and lets requests in flight end.
   * @returns a promise that is kept once all connections are closed, after 10 seconds at most
   */
  close(): Promise<void>;
}

const OPTION_CHECKS: Checks<ListenOptions> = {
  port: integerBetween(0, 65_535),
  host: nonEmptyString,
  maxConnections: integerBetween(1, 1_000_000),
  // checkedTls checks it.
  tls: () => undefined,
};

/** Every setting is given, because NODE_OPTIONS changes Node's defaults. */
const SETTINGS = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  // A lenient parser permits request smuggling.
  insecureHTTPParser: false,
  // Node would refuse a request without Host with an empty body. faultOf refuses it with ours.
  requireHostHeader: false,
};

/**
 * Serves an application, which is a `Router` or any other object with a method `handle`.
 * @returns the server, once it listens
 * @throws TypeError or RangeError for a bad option, and what node:net and node:tls throw
 */
export async function listen(
  app: Pick<Router, 'handle'>,
  options: ListenOptions = {},
): Promise<Server> {
  objectWith('handle')('app', app);
  const own = readOptions(options, OPTION_CHECKS);
  const { port = 3000, host = '127.0.0.1', maxConnections } = own;
  const tls = own.tls === undefined ? undefined : secureSettings(checkedTls(own.tls));
  const tlsServer = tls === undefined ? undefined : createTlsServer({ ...SETTINGS, ...tls });
  const server: NodeServer = tlsServer ?? createServer(SETTINGS);
  server.timeout = SILENCE_TIMEOUT_MS;
  server.maxHeadersCount = MAX_HEADERS;
  if (maxConnections !== undefined) server.maxConnections = maxConnections;
  const isSecure = tlsServer !== undefined;
  const connections = new Connections(isSecure);
  serve(app, server, connections, isSecure);

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const stopRotation = tlsServer === undefined ? () => {} : rotateTicketKeys(tlsServer);
  // A server that listens on TCP has an address object.
  const { address, family, port: actualPort } = server.address() as AddressInfo;
  const urlHost = family === 'IPv6' ? `[${address}]` : address;
  return {
    url: `${isSecure ? 'https' : 'http'}://${urlHost}:${actualPort}`,
    port: actualPort,
    renewTls: (renewed) => {
      if (tlsServer === undefined) {
        throw new TypeError('"tls" expected a server that was started with it, got plain HTTP');
      }
      tlsServer.setSecureContext(secureSettings(checkedTls(renewed)));
    },
    close: async () => {
      await closeGracefully(server, connections);
      stopRotation();
    },
  };
}

/** Connects the events of a server with an application. */
function serve(
  app: Pick<Router, 'handle'>,
  server: NodeServer,
  connections: Connections,
  isSecure: boolean,
): void {
  const handle = (message: IncomingMessage, response: ServerResponse): void => {
    if (!connections.begin(message, response)) return;
    if (isSecure) response.setHeader('Strict-Transport-Security', STRICT_TRANSPORT_SECURITY);
    const fault = faultOf(message);
    const { 'transfer-encoding': coding, 'content-length': length, upgrade } = message.headers;
    // Node drops what follows an Upgrade in the same packet, so that the next packet could begin in
    // the middle of a request (RFC 9112 §11.2).
    const isLast = fault !== undefined || upgrade !== undefined || !server.listening;
    if (isLast) response.setHeader('Connection', 'close');
    if (fault !== undefined) {
      publishRefusal(fault, { address: message.socket.remoteAddress });
      sendReply(message, response, new Reply(fault.status, fault.body));
    } else if (coding === undefined && length === undefined) {
      app.handle(message, response);
    } else {
      // The parser reads the beginning of the body first. If it is not valid chunked coding, a
      // handler that replies at once must not have replied already.
      queueMicrotask(() => app.handle(message, response));
    }
  };
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections.open(socket);
  });
  server.on('request', handle);
  server.on('checkContinue', (message, response) => {
    // RFC 9110 §10.1.1: a server must not ask for a body that it will not read.
    const isTooLarge = Number(message.headers['content-length']) > MAX_BODY_BYTES;
    if (!isTooLarge) response.writeContinue();
    handle(message, response);
  });
  // RFC 9110 §10.1.1: a server may ignore any expectation but 100-continue.
  server.on('checkExpectation', handle);
  server.on('connect', (_message, socket) => connections.refuseInTurn(socket as Socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    connections.refuseInTurn(socket as Socket, error.code);
  });
  server.on('timeout', (socket) => {
    // A handler may take any time, unless its client does not read the replies that it has.
    if (socket.writableLength > 0 || connections.isIdle(socket)) socket.destroy();
  });
}

/** Stops accepting. Resolves once all connections are closed. */
async function closeGracefully(server: NodeServer, connections: Connections): Promise<void> {
  // http.Server.close would cut off idle connections, and a request may be on its way on one.
  const closed = new Promise<void>((resolve) => {
    TcpServer.prototype.close.call(server, () => resolve());
  });
  connections.endAfterReplies();
  const idleTimer = setTimeout(() => server.closeIdleConnections(), CLOSE_IDLE_AFTER_MS);
  const allTimer = setTimeout(() => server.closeAllConnections(), CLOSE_ALL_AFTER_MS);
  await closed;
  clearTimeout(idleTimer);
  clearTimeout(allTimer);
  // Stops the timer with which Node checks its time-outs.
  server.close();
}

/** RFC 9112 §3.2: characters that are not in a host. A second Host would come after a comma. */
const NOT_IN_HOST = /[\s,/@?#]/;

/** @returns the refusal of a request that proxies and servers could read in different ways */
function faultOf(message: IncomingMessage): AuthError | undefined {
  // Node drops any more headers, and a second Host or Authorization could be among them.
  if (message.rawHeaders.length >= 2 * MAX_HEADERS) return new AuthError('ERR_HEADERS_TOO_LARGE');
  const isOld = message.httpVersion === '1.0';
  // RFC 9112 §2.3: this syntax has no other versions.
  const isKnownVersion = isOld || message.httpVersion === '1.1';
  const host = headerOf(message, 'host');
  const isHostRight = host === undefined ? isOld : !NOT_IN_HOST.test(host);
  const coding = message.headers['transfer-encoding']?.toLowerCase();
  // RFC 9112 §6.1: chunked is the one coding that the server reads, and HTTP/1.0 has none.
  const isCodingRight = coding === undefined || (coding === 'chunked' && !isOld);
  if (isKnownVersion && isHostRight && isCodingRight) return undefined;
  return new AuthError('ERR_BAD_REQUEST');
}
