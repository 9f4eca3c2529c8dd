/** For the tests of src/auth: a JwtAuth with sessions over one user, and a clock that tests set. */
import { channel } from 'node:diagnostics_channel';
import {
  MemorySessionStore,
  Sessions,
  type AuthRequest,
  type HeaderSource,
  type Session,
  type SessionRecord,
  type SessionsOptions,
  type SessionStore,
} from '../../src/index.ts';
import { authWith, LOGIN, NOW, request, type Auth, type Options } from './guard.ts';

/** The reply to a login or a refresh. */
export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type?: string;
  readonly expires_in?: number;
}

/** A store of sessions that counts its calls, and answers or fails as a test wants it. */
export class TestStore implements SessionStore {
  readonly records = new MemorySessionStore();
  readonly calls: string[] = [];
  isSlow = false;
  /** Called before each operation, and may throw. */
  before: (call: 'find' | 'put') => void = () => undefined;

  find(userId: string): SessionRecord | undefined | Promise<SessionRecord | undefined> {
    return this.#answer('find', () => this.records.find(userId));
  }

  put(userId: string, record: SessionRecord): boolean | Promise<boolean> {
    return this.#answer('put', () => this.records.put(userId, record));
  }

  #answer<T>(call: 'find' | 'put', answer: () => T): T | Promise<T> {
    this.calls.push(call);
    const run = () => {
      this.before(call);
      return answer();
    };
    return this.isSlow ? new Promise((resolve) => setImmediate(resolve)).then(run) : run();
  }
}

/** What a test of sessions works with. */
export interface SessionSetup {
  readonly auth: Auth;
  readonly sessions: Sessions;
  readonly store: TestStore;
  /** Seconds since 1970, which tests change. */
  readonly clock: { now: number };
  readonly logIn: (body?: object) => Promise<Tokens>;
  readonly refresh: (token: string) => Promise<Tokens>;
  /** The code of a refusal, or what the guard returns. */
  readonly hello: (token: string) => unknown;
  /** All sessions of joe that have not ended. */
  readonly live: () => readonly Session[];
}

/** @param options those of JwtAuth */
export function sessionSetup(
  options: Options = {},
  sessionsOptions: Partial<SessionsOptions> = {},
): SessionSetup {
  const clock = { now: NOW };
  const now = () => clock.now;
  const store = new TestStore();
  const sessions = new Sessions({ store, now, ...sessionsOptions });
  const auth = authWith({ now, sessions, ...options });
  const guarded = auth.required((_request, _identity, sessionId) => sessionId);
  return {
    auth,
    sessions,
    store,
    clock,
    logIn: async (body = { refresh: true }) =>
      (await auth.login(request({}, { ...LOGIN, ...body }))) as Tokens,
    refresh: async (token) =>
      (await auth.refresh(request({}, { refresh_token: token }))) as Tokens,
    hello: (token) => guarded(bearer(token)),
    live: () => store.records.find('joe')?.sessions ?? [],
  };
}

/** A request with a token. */
export const bearer = (token: string): HeaderSource =>
  request({ authorization: `Bearer ${token}` });

/** A request with a token and no body. */
export const withoutBody = (token: string): AuthRequest & HeaderSource => ({
  ...request({ authorization: `Bearer ${token}` }),
  json: () => undefined,
});

/** @returns what was published while `run` ran: the names of the events and their messages */
export async function eventsOf(run: () => Promise<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const names = ['refresh', 'repeat', 'reuse', 'logout'];
  const listeners = names.map((name) => {
    const listener = (message: unknown) => void seen.push([name, message]);
    channel(`latchkey:${name}`).subscribe(listener);
    return () => channel(`latchkey:${name}`).unsubscribe(listener);
  });
  try {
    await run();
  } finally {
    for (const unsubscribe of listeners) unsubscribe();
  }
  return seen;
}
