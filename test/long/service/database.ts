/** A database of the run's own on a PostgreSQL server that the run may stop. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { poolAt, type Pool } from '../../support/postgres.ts';

/** The database, and when it was last away. */
export class SoakDatabase {
  readonly #control: string;
  readonly #admin: Pool;
  readonly #url: URL;
  readonly #name = `latchkey_soak_${randomBytes(6).toString('hex')}`;
  /** When the servers worked again after the last outage; Infinity during one. */
  #outageEndedMs = 0;

  private constructor(url: string, control: string) {
    this.#control = control;
    this.#admin = poolAt(url, 1);
    this.#url = new URL(url);
    this.#url.pathname = `/${this.#name}`;
  }

  /** @param control a command that takes stop and start */
  static async create(url: string, control: string): Promise<SoakDatabase> {
    const database = new SoakDatabase(url, control);
    await database.#admin.query(`CREATE DATABASE ${database.#name}`, []);
    return database;
  }

  /** @returns the URL for a process, whose connections have its name */
  urlFor(name: string): string {
    const url = new URL(this.#url);
    url.searchParams.set('application_name', name);
    return url.href;
  }

  /** Whether a request that was sent at this time may have met an outage. */
  wasAwaySince(sentMs: number): boolean {
    return sentMs <= this.#outageEndedMs;
  }

  /** Milliseconds since the last outage; 0 during one. */
  get calmMs(): number {
    return Math.max(0, Date.now() - this.#outageEndedMs);
  }

  /**
   * Stops the database as a crash does, and starts it again.
   * @param meanwhile runs while it is stopped
   * @param recover resolves once all servers work again
   */
  async restart(meanwhile: () => Promise<void>, recover: () => Promise<void>): Promise<void> {
    this.#outageEndedMs = Infinity;
    await this.#run('stop');
    try {
      await meanwhile();
    } finally {
      await this.#run('start');
    }
    await recover();
    this.#outageEndedMs = Date.now();
  }

  /**
   * A statement that a killed process has sent may still run, and its effect may come later than
   * the next answer of another server.
   * @returns once the database has closed all connections of this name
   */
  async untilClosed(name: string): Promise<void> {
    const text = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1';
    while ((await this.#admin.query(text, [name])).rows.length > 0) await delay(10);
  }

  /** @returns once the database runs no statement, because a server may have given one up */
  async untilIdle(): Promise<void> {
    const text = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND state = 'active'";
    // A database that was stopped meanwhile has ended its statements.
    const running = () => this.#admin.query(text, [this.#name]).catch(() => ({ rows: [] }));
    while ((await running()).rows.length > 0) await delay(10);
  }

  /** Removes the database. */
  async remove(): Promise<void> {
    await this.#admin.query(`DROP DATABASE ${this.#name} WITH (FORCE)`, []);
    await this.#admin.end();
  }

  async #run(action: 'stop' | 'start'): Promise<void> {
    // The server that starts keeps the output open, so nothing may wait for the end of it.
    await promisify(execFile)('sh', ['-c', `${this.#control} ${action} > /dev/null 2>&1`]);
  }
}
