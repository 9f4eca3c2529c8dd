/** Serves an application on a free port, and sends requests to it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import {
  createApp,
  listen,
  MemoryUserStore,
  PasswordHasher,
  type AppOptions,
  type ListenOptions,
  type Server,
} from '../../src/index.ts';
import { SECRET } from './tokens.ts';

/** scrypt at its lowest cost, for tests that are not about it. */
export const cheapPasswords = (): PasswordHasher => new PasswordHasher({ logN: 1 });

/** Serves an application on a free port for as long as `use` runs. */
export async function withServer<T>(
  app: Parameters<typeof listen>[0],
  use: (server: Server) => Promise<T>,
  options: ListenOptions = {},
): Promise<T> {
  const server = await listen(app, { port: 0, ...options });
  try {
    return await use(server);
  } finally {
    await server.close();
  }
}

/** Serves the tutorial application on a free port for as long as `use` runs. */
export function withApp<T>(
  options: Partial<AppOptions<unknown>>,
  use: (server: Server, users: AppOptions['users']) => Promise<T>,
): Promise<T> {
  const users = options.users ?? new MemoryUserStore();
  const app = createApp({
    secret: SECRET,
    passwords: cheapPasswords(),
    minPasswordLength: 4,
    ...options,
    users,
  });
  return withServer(app, (server) => use(server, users));
}

/** A reply, with its whole body. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed body, or its text if it is not JSON. */
  readonly body: unknown;
}

/** Sends JSON as a Flask-JWT client does. */
export async function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isJson = body !== undefined;
  const response = await fetch(url, {
    method,
    // An idle keep-alive connection would delay the shutdown of the server.
    headers: {
      Connection: 'close',
      ...(isJson && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(isJson && {
      body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    }),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not JSON: the text is returned.
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

/** Sends bytes. @returns all bytes that come back until the server closes the connection */
export function sendRaw(
  port: number,
  bytes: string | Uint8Array,
  timeoutMs = 15_000,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let received = '';
    socket.setEncoding('latin1');
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`no end after ${timeoutMs} ms, but: ${received}`)),
    );
    socket.on('data', (text) => (received += text));
    socket.on('close', () => resolve(received));
    // A server that refuses the rest of a request may reset the connection after its reply.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') resolve(received);
      else reject(error);
    });
  });
}

/** Does a TLS handshake. @returns the version and the suite, or the code of the error */
export async function shakeHands(port: number, options: ConnectionOptions): Promise<string> {
  const any = { port, host: '127.0.0.1', rejectUnauthorized: false };
  let socket;
  try {
    socket = connectTls({ ...any, ...options });
  } catch (error) {
    return `not offered: ${(error as NodeJS.ErrnoException).code}`;
  }
  try {
    await once(socket, 'secureConnect');
    return `${socket.getProtocol()} ${socket.getCipher().name}`;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}
