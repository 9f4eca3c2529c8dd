/** The administration of users in memory: directly, and over the socket of a server. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Accounts, MemorySessionStore, MemoryUserStore, Sessions } from '../../src/index.ts';
import { addressOf, socketIn } from '../../src/cli/administration/administration-folder.ts';
import { actionLog, serveAdministration } from '../../src/cli/administration/administration.ts';
import type { Log } from '../../src/cli/log.ts';
import { SocketAdministration } from '../../src/cli/administration/socket-administration.ts';
import {
  StoreAdministration,
  type StoreAdministrationOptions,
} from '../../src/cli/administration/store-administration.ts';
import type { UserAdministration } from '../../src/cli/administration/user-administration.ts';
import { cheapPasswords } from './app.ts';

const base = mkdtempSync(join(tmpdir(), 'latchkey-administration-'));
const closers: (() => Promise<void>)[] = [];

after(async () => {
  for (const close of closers) await close();
  await rm(base, { recursive: true });
});

/** Makes a data folder that is removed after the tests of the file. */
export const dataFolder = (): Promise<string> => mkdtemp(join(base, 'data-'));

/** A line that the server has logged. */
export type Logged = readonly [event: string, detail: string, fields?: object | undefined];

export interface Administered {
  readonly administration: UserAdministration;
  readonly users: MemoryUserStore;
  readonly sessions: Sessions;
  /** The accounts of an application over the same stores. */
  readonly accounts: Accounts;
  readonly logged: Logged[];
}

/** The administration of a store in this process. */
export function direct(options: Partial<StoreAdministrationOptions> = {}) {
  const users = new MemoryUserStore();
  const sessions = new Sessions({ store: new MemorySessionStore() });
  const passwords = cheapPasswords();
  const accounts = new Accounts({ users, sessions, passwords });
  const logged: Logged[] = [];
  const log: Log = (...line) => logged.push(line);
  const administration = new StoreAdministration({
    users,
    sessions,
    passwords,
    onAction: actionLog(log),
    ...options,
  });
  return { administration, users, sessions, accounts, logged, log };
}

/** The same, behind the socket of a server. */
export async function overSocket(
  options: Partial<StoreAdministrationOptions> = {},
): Promise<Administered & { readonly data: string; readonly stop: () => Promise<void> }> {
  const { administration: served, log, ...rest } = direct(options);
  const data = await dataFolder();
  const stop = await serveAdministration(data, served, log);
  assert.ok(stop, JSON.stringify(rest.logged));
  const administration = new SocketAdministration(addressOf(socketIn(data)) ?? '');
  closers.push(async () => {
    await administration.close();
    await stop();
  });
  return { administration, data, stop, ...rest };
}
