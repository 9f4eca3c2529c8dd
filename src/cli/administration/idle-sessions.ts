/**
 * The sessions in a file that a server with `--sessions off` does not check. An earlier start has
 * kept them, and a later one may accept them again. So the administration ends them as well.
 * Promise: the file is opened when a user is first added, changed, removed or imported, and not at
 * the start, which a damaged file must not prevent. A change that cannot open it is refused, and
 * the next one tries again. If another program removes or replaces the file, a change in the next 2
 * seconds may be refused. Later ones open the file again.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AuthError, isAuthError } from '../../errors.ts';
import { ignore, ignoreFailure } from '../../journal/system-errors.ts';
import type { JsonFileSessionStore } from '../../sessions/json-file.ts';
import { Sessions } from '../../sessions/sessions.ts';
import type { Log } from '../log.ts';
import { openSessionFile } from '../stores/data-files.ts';

export class IdleSessions {
  readonly #data: string;
  readonly #log: Log;
  #opened: Promise<{ store: JsonFileSessionStore; sessions: Sessions } | undefined> | undefined;
  /** The closing of a store that has lost its file. */
  #closing: Promise<void> | undefined;

  /** @param data the folder of `sessions.jsonl` */
  constructor(data: string, log: Log) {
    this.#data = data;
    this.#log = log;
  }

  /**
   * Opens the file, which then stays open.
   * @returns undefined, and creates nothing, if there is no such file
   * @throws AuthError if the file cannot be opened
   */
  async open(): Promise<Sessions | undefined> {
    this.#opened ??= this.#openFile();
    try {
      const opened = await this.#opened;
      if (opened === undefined) this.#opened = undefined;
      return opened?.sessions;
    } catch (error) {
      this.#opened = undefined;
      throw isAuthError(error) ? error : new AuthError('ERR_STORE', { cause: error });
    }
  }

  /** Closes the file if it is open. The caller must not call `open` after this. */
  async close(): Promise<void> {
    const opened = await this.#opened;
    await opened?.store.close();
    await this.#closing;
  }

  async #openFile() {
    // Until the lost file is closed, this process has its lock.
    await this.#closing;
    const path = join(this.#data, 'sessions.jsonl');
    if ((await stat(path).catch(ignore('ENOENT'))) === undefined) return undefined;
    const store = await openSessionFile(this.#data, this.#log);
    void store.lost.then(() => {
      this.#opened = undefined;
      this.#closing = store.close().catch(ignoreFailure);
    });
    return { store, sessions: new Sessions({ store }) };
  }
}
