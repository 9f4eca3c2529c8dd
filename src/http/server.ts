/** A node:http server with time limits and a stop that cuts nobody off. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { AuthError, having, integer, readOptions, text, type AuthErrorCode } from '../errors.ts';
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

/** Milliseconds: for a whole request, for its headers, for an idle connection; and how often that is looked at. */
const TIMEOUTS = { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 5_000 };

/** Serves an application over plain HTTP. @throws TypeError or RangeError for a bad option, and what node:net throws */
export async function listen(app: Pick<Router, 'handle'>, options: ListenOptions = {}): Promise<Server> {
  having('handle')('app', app);
  const { port = 3000, host = '127.0.0.1' } = readOptions(options, { port: integer(0, 65_535), host: text });
  const inFlight = new Set<ServerResponse>();
  // Node's refusal of a request without Host has no body; ours has.
  const server = createServer({ ...TIMEOUTS, connectionsCheckingInterval: 1_000, requireHostHeader: false });
  let isClosing = false;

  server.on('request', (message, response) => {
    inFlight.add(response);
    response.on('close', () => inFlight.delete(response));
    if (isClosing) response.setHeader('Connection', 'close');
    // RFC 9112 §3.2: a request of HTTP/1.1 names its host.
    const hasHost = message.httpVersion !== '1.1' || new HttpRequest(message).header('host') !== undefined;
    if (hasHost) app.handle(message, response);
    else refuse(message.socket);
  });
  // An expectation other than 100-continue may be ignored (RFC 9110 §10.1.1).
  server.on('checkExpectation', (message, response) => server.emit('request', message, response));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const isAnswering = [...inFlight].some((response) => response.socket === socket);
    if (isAnswering || !socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else refuse(socket, error.code);
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  // A TCP server has an address as long as it listens.
  const { address, family, port: actualPort } = server.address() as AddressInfo;

  const close = async (): Promise<void> => {
    isClosing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const response of inFlight) {
      if (!response.headersSent) response.setHeader('Connection', 'close');
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
