/** Runs a test without sessions, with them, and where guards require them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySessionStore, Sessions, type SessionsOptions } from '../../src/index.ts';
import { tokenOf } from './tokens.ts';

export type ModeName = 'off' | 'on' | 'required';

/** One mode, with a store of its own. */
export class SessionMode {
  readonly name: ModeName;
  readonly store: MemorySessionStore = new MemorySessionStore();

  constructor(name: ModeName) {
    this.name = name;
  }

  /** The option `sessions` of `createApp` and `JwtAuth`, or nothing. */
  options(others: Partial<SessionsOptions> = {}): { readonly sessions?: Sessions } {
    if (this.name === 'off') return {};
    const isRequired = this.name === 'required';
    return { sessions: new Sessions({ store: this.store, isRequired, ...others }) };
  }

  /**
   * Makes a token as another holder of the secret does. Where sessions are required, it names one
   * of its user, so that the guard goes on to the checks that such a test is about.
   */
  async tokenOf(claims: object): Promise<string> {
    const { sessions } = this.options();
    if (sessions?.isRequired !== true) return tokenOf(claims);
    const identity: unknown = Reflect.get(claims, 'identity');
    const key = typeof identity === 'string' ? identity : JSON.stringify(identity ?? null);
    const { id } = await sessions.start(key, { isRefreshable: false });
    return tokenOf({ ...claims, sid: id, gen: 0 });
  }

  /** @returns the claims without those of a session, which a token has in every mode but `off` */
  withoutSession<Claims extends object>(claims: Claims): Claims {
    const { sid, gen, ...others } = claims as Claims & { sid?: unknown; gen?: unknown };
    const kinds = this.name === 'off' ? ['undefined', 'undefined'] : ['string', 'number'];
    assert.deepEqual([typeof sid, typeof gen], kinds);
    return others as unknown as Claims;
  }
}

/** Registers one test for each mode, with the mode in its title. */
export function testInEachMode(title: string, run: (mode: SessionMode) => Promise<void>): void {
  for (const name of ['off', 'on', 'required'] as const) {
    test(`${title} (sessions ${name})`, () => run(new SessionMode(name)));
  }
}
