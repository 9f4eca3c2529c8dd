/**
 * An exhaustive walk over the rules: an honest client and a thief, every order of their steps,
 * until no step leads to a new state. Two states are one if the same can happen in both.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSession, NO_RECORD, refresh, start, use } from '../../src/sessions/rules.ts';
import type { Session, SessionRecord } from '../../src/sessions/store.ts';
import { NOW, POLICY } from '../support/session-rules.ts';

interface State {
  readonly record: SessionRecord;
  readonly now: number;
  /** The generation of the pair that the client has. */
  readonly client: number;
  /** That of the pair that the thief has, undefined before the theft. */
  readonly thief: number | undefined;
  /** Whether the thief has sent a request: until then, the client must not notice anything. */
  readonly isDisturbed: boolean;
}

type Party = 'client' | 'thief';

const ID = 'A';
const { graceSeconds } = POLICY;
const sessionIn = ({ record, now }: State): Session | undefined =>
  findSession(record, ID, now, POLICY);

const first: State = {
  record: start(
    NO_RECORD,
    { id: ID, isRefreshable: true, endsAt: NOW + 900, agent: '' },
    NOW,
    POLICY,
  ),
  now: NOW,
  client: 0,
  thief: undefined,
  isDisturbed: false,
};

/** The generations that a refresh gives, for every token that was ever issued. */
function assertOneChain(state: State): void {
  const current = sessionIn(state)?.generation;
  if (current === undefined) return;
  for (let generation = 0; generation <= current + 1; generation += 1) {
    const { result } = refresh(state.record, ID, generation, state.now, POLICY);
    if (result.session === undefined) continue;
    const given = result.session.generation;
    const isNext = result.outcome === 'rotated';
    assert.equal(given, isNext ? current + 1 : current);
    assert.ok(generation >= current - 1 && (!isNext || generation === current));
  }
}

/** A second tab may send the token that the first tab has replaced just now. */
function assertTabsAgree({ record, now, client, isDisturbed }: State): void {
  const session = findSession(record, ID, now, POLICY);
  const isInGrace = session !== undefined && now - session.refreshedAt < graceSeconds;
  if (!isInGrace || isDisturbed || client === 0 || client !== session.generation) return;
  const { result } = refresh(record, ID, client - 1, now, POLICY);
  assert.equal(result.outcome, 'repeated', 'two tabs that refresh at once were taken for a theft');
}

function afterRefresh(state: State, party: Party, isLost: boolean): State | undefined {
  const held = state[party];
  if (held === undefined) return undefined;
  const before = sessionIn(state);
  const { record, result } = refresh(state.record, ID, held, state.now, POLICY);
  const isDisturbed = state.isDisturbed || party === 'thief';
  const next = { ...state, record, isDisturbed };
  if (result.session === undefined) {
    assert.ok(isDisturbed, 'a client that only loses answers was refused');
    assert.equal(sessionIn(next), undefined);
    return next;
  }
  assert.ok(before !== undefined, 'a session that has ended answered');
  const isPredecessor = held < before.generation;
  const isGraceOver = state.now - before.refreshedAt >= graceSeconds;
  assert.ok(!(isPredecessor && before.isUsed && isGraceOver), 'a used token was answered');
  return isLost ? next : { ...next, [party]: result.session.generation };
}

function afterUse(state: State, party: Party): State | undefined {
  const held = state[party];
  if (held === undefined) return undefined;
  const isDisturbed = state.isDisturbed || party === 'thief';
  if (sessionIn(state) === undefined) {
    assert.ok(isDisturbed, 'a client that only loses answers was refused');
  }
  return { ...state, isDisturbed, record: use(state.record, ID, held, state.now, POLICY) };
}

/** What can happen next. */
const STEPS: Readonly<Record<string, (state: State) => State | undefined>> = {
  'the client refreshes': (state) => afterRefresh(state, 'client', false),
  'the client refreshes, and its answer is lost': (state) => afterRefresh(state, 'client', true),
  'the client uses its access token': (state) => afterUse(state, 'client'),
  'the thief copies the tokens': (state) => ({ ...state, thief: state.client }),
  'the thief refreshes': (state) => afterRefresh(state, 'thief', false),
  'the thief refreshes, and its answer is lost': (state) => afterRefresh(state, 'thief', true),
  'the thief uses its access token': (state) => afterUse(state, 'thief'),
  'the grace period ends': (state) => ({ ...state, now: state.now + graceSeconds }),
  'a second passes': (state) => ({ ...state, now: state.now + 1 }),
};

/** Equal for states in which the same can happen: only differences of generations count. */
function keyOf(state: State): string {
  const { client, thief, isDisturbed } = state;
  const session = sessionIn(state);
  if (session === undefined) return `ended ${isDisturbed} ${thief === undefined}`;
  const { generation, isUsed, refreshedAt } = session;
  const ageSeconds = Math.min(state.now - refreshedAt, graceSeconds);
  // A client has never a newer token than the current one.
  const behind = [client, thief ?? client + 99].map((held) => Math.min(generation - held, 3));
  const isFirst = generation === 0;
  return [isFirst, isUsed, ageSeconds, ...behind, thief === undefined, isDisturbed].join(' ');
}

/**
 * Visits every state that can be reached.
 * @returns the number of states, and of steps to the furthest one
 */
function walk(visit: (state: State) => void): { readonly states: number; readonly steps: number } {
  const seen = new Set([keyOf(first)]);
  visit(first);
  let reached: (readonly [State, path: readonly string[]])[] = [[first, []]];
  let steps = 0;
  for (; reached.length > 0; steps += 1) {
    const next: typeof reached = [];
    for (const [state, path] of reached) {
      for (const [name, step] of Object.entries(STEPS)) {
        const longer = [...path, name];
        try {
          const after = step(state);
          if (after === undefined || seen.has(keyOf(after))) continue;
          seen.add(keyOf(after));
          visit(after);
          next.push([after, longer]);
        } catch (error) {
          throw new Error(`does not hold after: ${longer.join('; ')}`, { cause: error });
        }
      }
    }
    reached = next;
  }
  return { states: seen.size, steps: steps - 1 };
}

test('in every order of steps, a session has one chain and refuses no undisturbed client', (t) => {
  const { states, steps } = walk((state) => {
    assertOneChain(state);
    assertTabsAgree(state);
  });
  t.diagnostic(`${states} states, the furthest after ${steps} steps`);
  assert.ok(states > 200 && steps > 9, `${states} states, ${steps} steps`);
});

test('in every state, the party that goes on alone makes all older tokens end the session', () => {
  let ended = 0;
  walk((state) => {
    if (sessionIn(state) === undefined) return;
    for (const party of ['client', 'thief'] as const) {
      const refreshed = afterRefresh(state, party, false);
      if (refreshed === undefined || sessionIn(refreshed) === undefined) continue;
      const used = afterUse(refreshed, party) ?? assert.fail();
      const later = { ...used, now: used.now + graceSeconds };
      const current = sessionIn(later)?.generation ?? assert.fail();
      assert.equal(refresh(later.record, ID, current, later.now, POLICY).result.outcome, 'rotated');
      for (let older = 0; older < current; older += 1) {
        const { result, record } = refresh(later.record, ID, older, later.now, POLICY);
        assert.equal(result.outcome, 'reused');
        assert.equal(findSession(record, ID, later.now, POLICY), undefined);
        ended += 1;
      }
    }
  });
  assert.ok(ended > 200, String(ended));
});
