/** Servers over one store, which are killed and stopped while clients use them. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { EventEmitter, once, setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { commandPath, ROOT } from '../../support/compiled.ts';
import { below, pick, type Random } from '../../support/generators.ts';
import type { Counts } from './counts.ts';
import type { SoakDatabase } from './database.ts';
import { shown } from './login.ts';
import { Forbidden } from './possible.ts';
import { ServerProcess, type Answer, type Call } from './server-process.ts';

/** The package pg is installed there. */
const CWD = join(ROOT, 'test/interop');
/** After an outage a server must work again within this time. */
const MAX_RECOVERY_MS = 30_000;

/**
 * On a busy machine a client can be halted after an answer, and go on in the very instant in which
 * its connection is closed. That does not happen at so many stops in a row.
 */
const MAX_LOSSY_STOPS = 3;

/** After which the pool of a server gives up. A machine that is very busy can be so slow. */
const POOL_TIMEOUT_MS = 3_000;

/** What `latchkey serve` is started with, apart from its store. */
const FLAGS = [
  '--scrypt-cost', '1',
  // Each request comes from another network, so that the limits on networks play no part.
  '--trust-proxy', '1',
  // No connection is closed because it is idle, except by a stop.
  '--keep-alive', '3600',
  // No token expires during a run.
  '--lifetime', '1000000',
];

export interface ServiceOptions {
  readonly name: string;
  readonly servers: number;
  readonly secret: string;
  readonly random: Random;
  readonly counts: Counts;
  /** The words after `latchkey serve` and `latchkey users list`, for a process of this name. */
  readonly storeFlags: (processName: string) => readonly string[];
  readonly database?: SoakDatabase;
}

/** Some servers over one store. */
export class Service {
  readonly #options: ServiceOptions;
  readonly #servers: ServerProcess[] = [];
  /** For a server that was killed or stopped: when no effect of its requests can come any more. */
  readonly #settled = new Map<ServerProcess, Promise<void>>();
  readonly #events = new EventEmitter();
  readonly #closing = new AbortController();
  #starts = 0;
  /** How many stops in a row have lost a request. */
  #lossyStops = 0;
  readonly #coming: (() => Promise<void>)[] = [];
  #disturbance: Promise<void> | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    // Each request may wait for a server.
    setMaxListeners(0, this.#events, this.#closing.signal);
  }

  get name(): string {
    return this.#options.name;
  }

  get counts(): Counts {
    return this.#options.counts;
  }

  /** Milliseconds since the database was last away. */
  get calmMs(): number {
    return this.#options.database?.calmMs ?? Infinity;
  }

  /** Starts all servers at the same time. */
  async start(): Promise<void> {
    const { servers } = this.#options;
    const starts = Array.from({ length: servers }, () => this.#startServer());
    this.#servers.push(...(await Promise.all(starts)));
  }

  /**
   * Sends a request to one of the servers.
   * @returns undefined if the answer was lost because the server was killed, or was 503 because the
   *   database was away or slow. The request then has all of its effect, a part of it, or none.
   * @throws Forbidden if an answer is missing for another reason
   */
  async ask(call: Call): Promise<Answer | undefined> {
    const { random, counts, database } = this.#options;
    const headers = { ...call.headers, 'X-Forwarded-For': randomAddress(random) };
    for (;;) {
      const server = await this.#anyServer();
      const answer = await server.send({ ...call, headers });
      const what = `${call.method} ${call.path}`;
      if (typeof answer === 'string') {
        if (await this.#isExcused(server, answer, what)) continue;
        counts.add(`${what}: no answer`);
        return undefined;
      }
      counts.add(`${what}: ${answer.status} ${answer.code}`);
      if (answer.status < 500) return answer;
      const isOfStore = database !== undefined && answer.code === 'ERR_STORE';
      if (isOfStore && database.wasAwaySince(answer.sentMs)) return undefined;
      if (!isOfStore || answer.answeredMs - answer.sentMs < POOL_TIMEOUT_MS) {
        throw await failureOf(server, what, answer);
      }
      counts.add('503 of a database that was slow');
      await database.untilIdle();
      return undefined;
    }
  }

  /** Does one thing that happens to services, and waits until all servers work again. */
  async disturb(): Promise<void> {
    const { random, database } = this.#options;
    // Each kind has its turn, in a random order.
    if (this.#coming.length === 0) {
      this.#coming.push(() => this.#kill(), () => this.#stop());
      if (database !== undefined) this.#coming.push(() => this.#restartDatabase(database));
    }
    const [next] = this.#coming.splice(below(random, this.#coming.length), 1);
    this.#disturbance = next?.();
    await this.#disturbance;
  }

  /** Stops all servers. @returns the ids of all users that the store has */
  async stopAndList(): Promise<string[]> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    const flags = this.#options.storeFlags(`${this.name}-list`);
    const args = ['--', commandPath(), 'users', 'list', '--json', ...flags];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: CWD });
    const lines = stdout.split('\n').slice(0, -1);
    return lines.map((line) => String(Object(JSON.parse(line)).id));
  }

  /** Kills all servers, and ends all waiting for one. The database is then left running. */
  async destroy(): Promise<void> {
    this.#closing.abort();
    for (const server of this.#servers) server.destroy();
    await this.#disturbance?.catch(() => undefined);
  }

  async #startServer(): Promise<ServerProcess> {
    const { secret, storeFlags } = this.#options;
    this.#starts += 1;
    const name = `${this.name}-${this.#starts}`;
    const words = [...FLAGS, ...storeFlags(name)];
    const server = await ServerProcess.start(name, words, { cwd: CWD, secret });
    if (this.#closing.signal.aborted) server.destroy();
    return server;
  }

  async #anyServer(): Promise<ServerProcess> {
    for (;;) {
      const open = this.#servers.filter(({ isKilled, isRefusing }) => !isKilled && !isRefusing);
      if (open.length > 0) return pick(this.#options.random, open);
      await once(this.#events, 'started', { signal: this.#closing.signal });
    }
  }

  /**
   * @returns true if the request was not sent, so that another server can get it; false once its
   *   effect is certain not to come later
   * @throws Forbidden if the server had to answer
   */
  async #isExcused(server: ServerProcess, problem: string, what: string): Promise<boolean> {
    const { name, isKilled, isStopping } = server;
    if (server.hasCrashed) throw new Forbidden(`${name} has ended by itself: ${server.lastLog}`);
    if (!isKilled && !isStopping) throw new Forbidden(`${what} was ${problem} by ${name}`);
    if (problem === 'unsent') {
      server.isRefusing = true;
      return true;
    }
    const isLostByStop = !isKilled && problem === 'lost';
    if (isLostByStop) server.hasLost = true;
    const reason = isKilled ? 'a kill' : isLostByStop ? 'a stop' : 'a stop, on idle connections';
    this.counts.add(`answers lost by ${reason}`);
    await this.#settled.get(server);
    return false;
  }

  async #kill(): Promise<void> {
    const { random, database } = this.#options;
    const at = below(random, this.#servers.length);
    const server = this.#servers[at] ?? assert.fail();
    const killed = async () => {
      await server.kill();
      await database?.untilClosed(server.name);
    };
    this.counts.add('kills of a server');
    await this.#replace(at, server, killed());
  }

  async #stop(): Promise<void> {
    const at = below(this.#options.random, this.#servers.length);
    const server = this.#servers[at] ?? assert.fail();
    this.counts.add('stops of a server');
    await this.#replace(at, server, server.stop());
    this.#lossyStops = server.hasLost ? this.#lossyStops + 1 : 0;
    if (this.#lossyStops < MAX_LOSSY_STOPS) return;
    throw new Forbidden(`${MAX_LOSSY_STOPS} servers in a row lost requests when they were stopped`);
  }

  async #replace(at: number, server: ServerProcess, ended: Promise<void>): Promise<void> {
    this.#settled.set(server, ended);
    await ended;
    this.#servers[at] = await this.#startServer();
    this.#events.emit('started');
  }

  async #restartDatabase(database: SoakDatabase): Promise<void> {
    const { random } = this.#options;
    const all = (status: number) => () =>
      Promise.all(this.#servers.map((server) => this.#untilHealth(server, status)));
    const meanwhile = async () => {
      await all(503)();
      await delay(below(random, 1_000));
    };
    const recover = async () => void (await all(200)());
    await database.restart(meanwhile, recover);
    this.counts.add('restarts of the database');
  }

  /** @throws Forbidden if `GET /health` does not answer this status in time */
  async #untilHealth(server: ServerProcess, status: number): Promise<void> {
    const lastMs = Date.now() + MAX_RECOVERY_MS;
    for (;;) {
      this.#closing.signal.throwIfAborted();
      const answer = await server.send({ method: 'GET', path: '/health' });
      if (Object(answer).status === status) return;
      if (Date.now() > lastMs) {
        throw new Forbidden(`GET /health of ${server.name} is not ${status}: ${server.lastLog}`);
      }
      // The answer of a check holds for a second.
      await delay(50);
    }
  }
}

async function failureOf(server: ServerProcess, what: string, answer: Answer): Promise<Forbidden> {
  // The log may come after the answer.
  await delay(500);
  const { sentMs, answeredMs } = answer;
  const time = `after ${answeredMs - sentMs} ms`;
  return new Forbidden(`${what} got ${shown(answer)} ${time}, ${server.name}: ${server.lastLog}`);
}

function randomAddress(random: Random): string {
  return [10, below(random, 256), below(random, 256), below(random, 256)].join('.');
}
