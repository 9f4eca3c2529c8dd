/**
 * A server of node:http or node:https.
 * Promise: the size of the header and the time in which a request arrives are bounded
 * (`HttpRequest.json` bounds a body). A request that could be read in two ways is refused (HTTP
 * request smuggling). A graceful shutdown gives requests in flight 10 seconds to end. A handler may
 * take any time.
 */

import type { IncomingMessage, Server as NodeServer, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { AuthError } from '../errors.ts';
import { publishRefusal } from '../events.ts';
import { http, loadHttps } from '../node-modules.ts';
import {
  expecting,
  integerBetween,
  nonEmptyString,
  readOptions,
  type Check,
  type Checks,
} from '../options.ts';
import { countOf } from '../request-headers.ts';
import { isObject } from '../values.ts';
import { Connections } from './connections.ts';
import {
  DEFAULT_KEEP_ALIVE_SECONDS,
  HANDSHAKE_TIMEOUT_MS,
  HEADERS_TIMEOUT_MS,
  MAX_BODY_BYTES,
  MAX_HEADER_BYTES,
  MAX_HEADERS,
  MAX_KEEP_ALIVE_SECONDS,
  REQUEST_TIMEOUT_MS,
  SILENCE_TIMEOUT_MS,
  TIMEOUT_CHECK_MS,
} from './limits.ts';
import { checkPlace, startListening } from './place.ts';
import { sendRefusal } from './reply.ts';
import { methodOf } from './request.ts';
import type { Router } from './router.ts';
import { closeGracefully } from './shutdown.ts';
import { hasValidAuthority, isHost } from './target.ts';
import {
  checkedTls,
  rotateTicketKeys,
  secureSettings,
  STRICT_TRANSPORT_SECURITY,
  type TlsOptions,
} from './tls.ts';
import { socketPath } from './unix-socket.ts';

/** The options of {@link listen}. */
export interface ListenOptions {
  /** 0 to 65,535, default 3000. 0 takes any free port. */
  readonly port?: number;
  /** A name or an address; default 127.0.0.1, because plain HTTP belongs behind a TLS proxy. */
  readonly host?: string;
  /**
   * Open connections, 1 to 1,000,000; default as many as the system allows. Further ones are closed
   * at once.
   */
  readonly maxConnections?: number;
  /**
   * Seconds for which a connection may be idle between two requests, 1 to 3,600, default 5. Behind
   * a proxy it must be longer than the proxy keeps idle connections. Otherwise the proxy may send a
   * request on a connection that the server is closing.
   */
  readonly keepAliveSeconds?: number;
  /** Serves HTTPS, with TLS 1.2 and 1.3. */
  readonly tls?: TlsOptions;
  /**
   * The path of a Unix socket, of at most 100 bytes, in place of `host` and `port`. The socket has
   * the mode 0660: its owner and its group may connect. A stale socket is replaced.
   */
  readonly path?: string;
}

/** A server that is listening. */
export interface Server {
  /**
   * `http://` or `https://` with the actual address and port. For a Unix socket `http://unix:` or
   * `https://unix:` with its path, as nginx writes it.
   */
  readonly url: string;
  /** The actual port; 0 for a Unix socket. */
  readonly port: number;
  /**
   * Uses another certificate for new connections. If it throws, the old certificate stays in use.
   * @throws TypeError if the server was started without the option `tls`
   * @throws what {@link listen} throws for a bad `tls`
   */
  renewTls(tls: TlsOptions): void;
  /**
   * Graceful shutdown: stops accepting and lets requests in flight end, for 10 seconds at most.
   * Idle connections are closed after 50 milliseconds without a request. If a request was in flight
   * at the call, or one has come since, it is 500 milliseconds. Further calls change nothing.
   * @returns a promise that resolves once all connections are closed
   */
  close(): Promise<void>;
  /** The same as `close`, for `await using server = await listen(app)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

const OPTION_CHECKS: Checks<ListenOptions> = {
  port: integerBetween(0, 65_535),
  host: nonEmptyString,
  maxConnections: integerBetween(1, 1_000_000),
  keepAliveSeconds: integerBetween(1, MAX_KEEP_ALIVE_SECONDS),
  path: socketPath,
  // Accepted here, and checked by checkedTls.
  tls: () => undefined,
};

const isApplication = (value: unknown) => isObject(value) && typeof value['handle'] === 'function';
const appCheck: Check = expecting(
  'an application with the method handle, such as a Router',
  isApplication,
);

const optionsCheck: Check = expecting('an object, such as { port: 4000 }', isObject);

/** Every limit is set here, because NODE_OPTIONS can change Node's defaults. */
const SERVER_SETTINGS = {
  headersTimeout: HEADERS_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  maxHeaderSize: MAX_HEADER_BYTES,
  // A lenient parser permits request smuggling.
  insecureHTTPParser: false,
  // Node's own refusal of a request without Host has no body, so faultOf refuses it instead.
  requireHostHeader: false,
};

/**
 * Serves an application, which is a `Router` or any other object with a method `handle`.
 * @example
 * const server = await listen(app, { port: 3000 });
 * console.log(server.url);
 * await server.close();
 * @returns the server, once it listens
 * @throws TypeError or RangeError for a bad option, and what node:net and node:tls throw
 */
export async function listen(
  app: Pick<Router, 'handle'>,
  options: ListenOptions = {},
): Promise<Server> {
  appCheck('app', app);
  optionsCheck('options', options);
  const own = readOptions(options, OPTION_CHECKS);
  checkPlace(own);
  const { maxConnections, keepAliveSeconds = DEFAULT_KEEP_ALIVE_SECONDS } = own;
  const settings = { ...SERVER_SETTINGS, keepAliveTimeout: 1000 * keepAliveSeconds };
  const tlsServer =
    own.tls === undefined
      ? undefined
      : loadHttps().createServer({ ...settings, ...secureSettings(checkedTls(own.tls)) });
  const isSecure = tlsServer !== undefined;
  const server: NodeServer = tlsServer ?? http.createServer(settings);
  server.timeout = SILENCE_TIMEOUT_MS;
  // Node drops any further headers, so faultOf must see one more than it accepts.
  server.maxHeadersCount = MAX_HEADERS + 1;
  if (maxConnections !== undefined) server.maxConnections = maxConnections;
  const connections = new Connections(isSecure);
  connectEvents(app, server, connections, isSecure);

  const place = await startListening(server, own);
  const stopRotation = tlsServer === undefined ? () => {} : rotateTicketKeys(tlsServer);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= stop();
    return closing;
  };
  const stop = async () => {
    place.removeSocket?.();
    await closeGracefully(server, connections);
    stopRotation();
  };
  return {
    url: `${isSecure ? 'https' : 'http'}://${place.authority}`,
    port: place.port,
    renewTls: (renewed) => {
      if (tlsServer === undefined) {
        throw new TypeError('"tls" expected a server that was started with TLS, got plain HTTP');
      }
      tlsServer.setSecureContext(secureSettings(checkedTls(renewed)));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Connects the events of a server with an application. */
function connectEvents(
  app: Pick<Router, 'handle'>,
  server: NodeServer,
  connections: Connections,
  isSecure: boolean,
): void {
  const onRequest = (
    message: IncomingMessage,
    response: ServerResponse,
    isContinueExpected = false,
  ): void => {
    if (!connections.begin(message, response)) return;
    if (isSecure) response.setHeader('Strict-Transport-Security', STRICT_TRANSPORT_SECURITY);
    const fault = faultOf(message);
    const { 'transfer-encoding': coding, 'content-length': length, upgrade } = message.headers;
    // Behind an Upgrade, Node drops the rest of a packet. The next packet could then begin in the
    // middle of a request, so no request behind an Upgrade is read (RFC 9112 §11.2).
    const isClosing = fault !== undefined || upgrade !== undefined || !server.listening;
    if (isClosing) response.setHeader('Connection', 'close');
    if (fault !== undefined) {
      const { remoteAddress: address } = message.socket;
      publishRefusal(fault, { address }, { method: methodOf(message) });
      sendRefusal(message, response, fault);
      return;
    }
    if (isContinueExpected) {
      // RFC 9110 §10.1.1: a server must not ask for a body that it will not read.
      const isTooLarge = Number(length) > MAX_BODY_BYTES;
      if (!isTooLarge) response.writeContinue();
    }
    if (coding === undefined && length === undefined) {
      connections.handleInTurn(message, response, () => app.handle(message, response));
    } else {
      // Node parses the beginning of the body after this event, and the handler runs after that.
      // If the handler replied before, malformed chunked coding could no longer be refused.
      queueMicrotask(() => app.handle(message, response));
    }
  };
  server.on('connection', (socket) => connections.open(socket));
  if (isSecure) server.on('secureConnection', (socket: Socket) => connections.open(socket));
  server.on('request', onRequest);
  server.on('checkContinue', (message, response) => onRequest(message, response, true));
  // RFC 9110 §10.1.1: a server may ignore any expectation but 100-continue.
  server.on('checkExpectation', onRequest);
  server.on('connect', (_message, socket) => {
    connections.refuseInTurn(socket as Socket);
    // Node stops reading at a CONNECT, and would not notice that the client disconnects.
    socket.on('end', () => socket.end()).resume();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    connections.refuseInTurn(socket as Socket, error.code);
  });
  // Once the server listens, an error means that a connection could not be accepted. Without a
  // listener it would end the process.
  server.on('error', () => undefined);
  server.on('timeout', (socket) => {
    // Neither side has sent a byte. A connection on which a handler is at work stays open, unless
    // the client does not read the replies that are written already.
    if (socket.writableLength > 0 || connections.isIdle(socket)) socket.destroy();
  });
}

/** @returns the refusal of a request that proxies and servers could read in different ways */
function faultOf(message: IncomingMessage): AuthError | undefined {
  const { headers, httpVersion, rawHeaders, url = '' } = message;
  // Node drops any further headers, and a second Host or Authorization could be among them.
  if (rawHeaders.length > 2 * MAX_HEADERS) return new AuthError('ERR_HEADERS_TOO_LARGE');
  const isHttp10 = httpVersion === '1.0';
  // RFC 9112 §2.3: this syntax has no other versions.
  const isVersionValid = isHttp10 || httpVersion === '1.1';
  // RFC 9112 §3.2: two Host headers are refused, even if they agree. They are counted in the raw
  // headers, because `headers` holds the first one alone. HTTP/1.0 does not require Host.
  const hostCount = countOf(rawHeaders, 'host');
  const isHostValid = hostCount === 1 ? isHost(headers.host ?? '') : hostCount === 0 && isHttp10;
  const coding = headers['transfer-encoding']?.toLowerCase();
  // RFC 9112 §6.1: chunked is the only coding that the server reads, and HTTP/1.0 has none.
  const isCodingValid = coding === undefined || (coding === 'chunked' && !isHttp10);
  const isValid = isVersionValid && isHostValid && isCodingValid && hasValidAuthority(url);
  return isValid ? undefined : new AuthError('ERR_BAD_REQUEST');
}
