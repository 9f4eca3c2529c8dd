/** One process of `latchkey serve`, and the connections of its clients. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { CLOSE_ALL_AFTER_MS } from '../../../src/http/limits.ts';
import { commandPath } from '../../support/compiled.ts';
import { Forbidden } from './possible.ts';

/** A request of a client. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** An access token. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A reply with its whole body. Times are in milliseconds since 1970. */
export interface Answer {
  readonly status: number;
  /** The header Error-Code, or nothing. */
  readonly code: string;
  readonly body: unknown;
  readonly sentMs: number;
  readonly answeredMs: number;
}

/**
 * - `unsent`: the server did not accept the connection.
 * - `lost`: the connection broke before the answer.
 * - `idle`: the same, but a server that stops may close such a connection. It was new or had been
 *   idle, or the server had waited for its requests for 10 seconds.
 */
export type NoAnswer = 'unsent' | 'lost' | 'idle';

/** The codes of a connection that the other side does not accept or has broken. */
const BROKEN = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);
/** A server that stops may close a connection that has been idle for so long. */
const IDLE_MS = 50;
/** A request without an answer for so long has failed. The slowest take some 3 seconds. */
const MAX_ANSWER_MS = 30_000;
/** A start or a stop that takes longer has failed. */
const MAX_START_OR_STOP_MS = 60_000;

/** The first line of the server. */
const STARTED = /listens on (http:\S+\d), users/;

/** What the log must not hold: a password of a person, the beginning of a token, a hash. */
const SECRETS = /sesame|eyJ|\$scrypt\$/;

/** A server that was started. It runs until it is killed or stopped. */
export class ServerProcess {
  readonly name: string;
  isKilled = false;
  isStopping = false;
  /** It has lost a request that it had to answer before it stopped. */
  hasLost = false;
  /** It has refused a connection because it stops, or it has ended. */
  isRefusing = false;
  #stoppingSinceMs = Infinity;
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #closed: Promise<unknown>;
  readonly #agent = new Agent({ keepAlive: true });
  /** When the last answer on a connection came. */
  readonly #answeredMs = new WeakMap<Socket, number>();
  readonly #log: { text: string };

  private constructor(name: string, child: ChildProcess, url: string, log: { text: string }) {
    this.name = name;
    this.#child = child;
    this.#url = url;
    this.#log = log;
    this.#closed = once(child, 'close');
    // Another process may get the port of a server that has ended.
    child.once('exit', () => (this.isRefusing = !this.hasCrashed));
  }

  /** @returns once the server listens */
  static async start(
    name: string,
    words: readonly string[],
    where: { readonly cwd: string; readonly secret: string },
  ): Promise<ServerProcess> {
    const env = { ...process.env, LATCHKEY_SECRET: where.secret, NO_PROXY: '*' };
    const args = ['--', commandPath(), 'serve', '--host', '127.0.0.1', '--port', '0', ...words];
    // Ctrl-C sends SIGINT to a whole group, and is to end the run, not the server.
    const child = spawn(process.execPath, args, { cwd: where.cwd, env, detached: true });
    const log = { text: '' };
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log.text += text));
    const url = await new Promise<string>((resolve, reject) => {
      let printed = '';
      const late = () => reject(new Forbidden(`${name} does not start: ${log.text}`));
      const timer = setTimeout(late, MAX_START_OR_STOP_MS).unref();
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        const [, found] = STARTED.exec(printed) ?? [];
        if (found === undefined) return;
        clearTimeout(timer);
        resolve(found);
      });
      child.once('close', late);
    });
    return new ServerProcess(name, child, url, log);
  }

  /** Whether it ended although nothing has ended it. */
  get hasCrashed(): boolean {
    const hasEnded = this.#child.exitCode !== null || this.#child.signalCode !== null;
    return hasEnded && !this.isKilled && !this.isStopping;
  }

  /** The last lines of its log. */
  get lastLog(): string {
    return this.#log.text.split('\n').slice(-20).join('\n');
  }

  /** @throws Forbidden if there is neither an answer nor a broken connection */
  async send({ method, path, body, token, headers }: Call): Promise<Answer | NoAnswer> {
    const content = typeof body === 'string' ? body : JSON.stringify(body);
    const sentMs = Date.now();
    const sent = request(`${this.#url}${path}`, {
      method,
      agent: this.#agent,
      signal: AbortSignal.timeout(MAX_ANSWER_MS),
      headers: {
        ...(content !== undefined && { 'Content-Type': 'application/json' }),
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    let used: Socket | undefined;
    let isConnected = false;
    sent.on('socket', (socket) => {
      used = socket;
      isConnected = !socket.connecting;
      if (socket.connecting) socket.once('connect', () => (isConnected = true));
    });
    sent.end(content);
    try {
      const [response]: IncomingMessage[] = await once(sent, 'response');
      if (response === undefined) throw new Error('an event without its response');
      const code = String(response.headers['error-code'] ?? '');
      const read = await json(response);
      const answeredMs = Date.now();
      if (used !== undefined) this.#answeredMs.set(used, answeredMs);
      return { status: response.statusCode ?? 0, code, body: read, sentMs, answeredMs };
    } catch (error) {
      if (Object(error).name === 'AbortError') {
        const seconds = MAX_ANSWER_MS / 1000;
        const what = `${this.name} has not answered ${method} ${path} for ${seconds} s`;
        const state = this.isStopping ? 'stopping' : 'running';
        const connection = isConnected ? 'connected' : 'not connected';
        throw new Forbidden(`${what}, ${connection}, ${state}: ${this.lastLog}`);
      }
      if (!BROKEN.has(String(Object(error).code))) throw error;
      if (!isConnected) return 'unsent';
      const idleSinceMs = used === undefined ? undefined : this.#answeredMs.get(used);
      const isIdle = idleSinceMs === undefined || sentMs - idleSinceMs >= IDLE_MS;
      return isIdle || Date.now() - this.#stoppingSinceMs >= CLOSE_ALL_AFTER_MS ? 'idle' : 'lost';
    }
  }

  /** Kills it. @returns once it has ended */
  async kill(): Promise<void> {
    this.isKilled = true;
    this.#child.kill('SIGKILL');
    await this.#closed;
    this.#end();
  }

  /** Stops it by SIGTERM. @returns once it has answered all requests and has ended */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.#stoppingSinceMs = Date.now();
    this.#child.kill('SIGTERM');
    const timeout = new AbortController();
    const late = delay(MAX_START_OR_STOP_MS, true, { signal: timeout.signal }).catch(() => false);
    const isLate = await Promise.race([this.#closed.then(() => false), late]);
    timeout.abort();
    if (isLate) throw new Forbidden(`${this.name} does not stop: ${this.lastLog}`);
    this.#end();
    const { exitCode, signalCode } = this.#child;
    if (exitCode === 0) return;
    throw new Forbidden(`${this.name} stopped with ${exitCode ?? signalCode}: ${this.lastLog}`);
  }

  /** Kills it, whatever it does. */
  destroy(): void {
    this.isKilled = true;
    this.#child.kill('SIGKILL');
    this.#agent.destroy();
  }

  #end(): void {
    this.#agent.destroy();
    if (SECRETS.test(this.#log.text)) throw new Forbidden(`the log of ${this.name} has a secret`);
  }
}
