/**
 * What several test files need: a served application, a request that is sent as it is written, a store and a hasher
 * that are watched, numbers from a seed.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { extname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createApp, listen, MemoryUserStore, PasswordHasher, type AppOptions, type ListenOptions, type Server, type User,
} from '../src/index.ts';

/** 32 characters, for tests alone. */
export const SECRET = 'a secret for tests, of 32 bytes.';

/** scrypt at its cheapest, so that tests of something else do not wait for it. */
export const cheapPasswords = (): PasswordHasher => new PasswordHasher({ logN: 1 });

/** Remembers what was written, so that a refusal can be seen to leave the store as it was. */
export class WatchedStore extends MemoryUserStore {
  readonly written: User[] = [];

  override find(id: string): User | undefined {
    assert.equal(typeof id, 'string');
    return super.find(id);
  }

  override insert(user: User): boolean {
    return super.insert(user) && this.written.push(user) > 0;
  }

  override update(user: User): boolean {
    return super.update(user) && this.written.push(user) > 0;
  }
}

/** Remembers what was asked of it, and what became of each password. */
export class WatchedHasher extends PasswordHasher {
  readonly calls: string[] = [];
  readonly outcomes: Promise<string>[] = [];

  override hash(password: string, signal?: AbortSignal): Promise<string> {
    return this.#watch('hash', super.hash(password, signal));
  }

  override verify(password: string, stored: string | undefined, signal?: AbortSignal): Promise<boolean> {
    return this.#watch('verify', super.verify(password, stored, signal));
  }

  override needsRehash(stored: string): boolean {
    this.calls.push('needsRehash');
    return super.needsRehash(stored);
  }

  #watch<T>(call: string, outcome: Promise<T>): Promise<T> {
    this.calls.push(call);
    this.outcomes.push(outcome.then(() => 'done', (error) => String(error.code)));
    return outcome;
  }
}

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

/** Serves the tutorial application, in the same way. */
export function withApp<T>(
  options: Partial<AppOptions>,
  use: (server: Server, users: AppOptions['users']) => Promise<T>,
): Promise<T> {
  const users = options.users ?? new MemoryUserStore();
  const app = createApp({ secret: SECRET, passwords: cheapPasswords(), minPasswordLength: 4, ...options, users });
  return withServer(app, (server) => use(server, users));
}

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body, parsed; its text where it is no JSON. */
  readonly body: unknown;
}

/** Sends JSON, as the clients of the original do. */
export async function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isJson = body !== undefined;
  const response = await fetch(url, {
    method,
    // A connection that is kept would keep the server for a while when it closes.
    headers: { Connection: 'close', ...(isJson && { 'Content-Type': 'application/json' }), ...headers },
    ...(isJson && { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let parsed: unknown = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The text is what there is to look at.
  }
  return { status: response.status, headers: response.headers, body: parsed };
}

/** Sends bytes as they are and answers all that comes back until the server closes. */
export function sendRaw(port: number, bytes: string | Uint8Array, timeoutMs = 15_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let received = '';
    socket.setEncoding('latin1');
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no end after ${timeoutMs} ms, but: ${received}`)));
    socket.on('data', (text) => (received += text));
    socket.on('close', () => resolve(received));
    // A reset after the answer is how a server says that it will read no more.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') resolve(received);
      else reject(error);
    });
  });
}

/** Shakes hands over TLS. @returns the version and the suite, or the code of the error */
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

/** Collects what is garbage once earlier work has let go of it. */
export async function collectGarbage(): Promise<void> {
  await nextTurn();
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** The path of another file of this folder, which is compiled if this one is. */
export const pathOf = (name: string): string =>
  fileURLToPath(new URL(`${name}${extname(import.meta.url)}`, import.meta.url));

/** Numbers from 0 up to 1 that a seed brings back (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
