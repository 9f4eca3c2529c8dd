/**
 * The rules of sessions, as pure functions from record to record (RFC 9700 §4.14.2, refresh token
 * rotation). They read neither a clock nor a store.
 * Promise, for any sequence of calls on the records of one user:
 *
 * 1. Only the refresh token of a session's current generation is ever given out.
 * 2. Losing answers never ends a session: a client may repeat its last refresh token as long as the
 *    session lasts.
 * 3. A refresh token ends its session, and no other, if it comes back after the grace period and a
 *    guard has accepted an access token of the next generation. One that is two or more generations
 *    old does so at any time.
 * 4. A session that was ended never comes back.
 *
 * A function that changes nothing returns the record that it got. Otherwise it returns a record of
 * the next version, without sessions that have expired.
 */

import type { Session, SessionRecord } from './store.ts';

/** How long sessions live, and how many a user may have. */
export interface SessionPolicy {
  /** A refreshable session ends when it was not refreshed for this time. */
  readonly idleSeconds: number;
  /** After a refresh, the previous token works for this time, even if the new one was used. */
  readonly graceSeconds: number;
  /** How many refreshable sessions a user may have. */
  readonly maxSessions: number;
}

/** What a login decides about its session. */
export type NewSession = Pick<Session, 'id' | 'isRefreshable' | 'endsAt' | 'agent'>;

/**
 * How a refresh token is answered.
 *
 * - `rotated`: the session has a new generation.
 * - `repeated`: the client gets the refresh token of the current generation again.
 * - `repeated late`: as `repeated`, after the grace period. The first answer to this refresh token
 *   was probably lost.
 * - `reused`: by rule 3 above, the token is out of date. Its session has ended now.
 * - `unknown`: there is no such session, or the token is of a generation that was never issued.
 */
export type RefreshResult =
  | { readonly outcome: 'rotated' | 'repeated' | 'repeated late'; readonly session: Session }
  | { readonly outcome: 'reused' | 'unknown'; readonly session?: undefined };

/** Stands for the record of a user that the store does not know. */
export const NO_RECORD: SessionRecord = { version: 0, endedAt: 0, sessions: [] };

/**
 * Plain sessions, those without a refresh token, end with their access token. A client may make one
 * at each call.
 */
const MAX_PLAIN_SESSIONS = 500;

/** A stored time that is further ahead was written by a clock that has been set back since. */
const MAX_SECONDS_AHEAD = 60;

/** @returns the session with this id, or undefined if there is none, or if its time is over */
export function findSession(
  { sessions }: SessionRecord,
  id: unknown,
  now: number,
  policy: SessionPolicy,
): Session | undefined {
  const session = sessionWithId(sessions, id);
  return session === undefined || isOver(session, now, policy) ? undefined : session;
}

/** @returns the sessions whose time is not over */
export function liveSessions(
  { sessions }: SessionRecord,
  now: number,
  policy: SessionPolicy,
): Session[] {
  return sessions.filter((session) => !isOver(session, now, policy));
}

/**
 * @returns when the session ends unless it is refreshed, in seconds since 1970. The access tokens
 *   of the session end no later.
 */
export function endOf(session: Session, policy: SessionPolicy): number {
  const { isRefreshable, refreshedAt, endsAt } = session;
  return isRefreshable ? Math.min(refreshedAt + policy.idleSeconds, endsAt) : endsAt;
}

/**
 * Begins a session. If the user has too many of this kind, one is ended: of refreshable sessions
 * the one refreshed longest ago, of plain ones the one that ends first.
 */
export function start(
  record: SessionRecord,
  newSession: NewSession,
  now: number,
  policy: SessionPolicy,
): SessionRecord {
  const session: Session = {
    ...newSession,
    generation: 0,
    isUsed: false,
    startedAt: now,
    refreshedAt: now,
  };
  const others = evict(liveSessions(record, now, policy), session.isRefreshable, policy);
  return replaceSessions(record, [...others, session], now, policy);
}

/**
 * Answers the refresh token of one generation of a session.
 * @param id the id of the session
 */
export function refresh(
  record: SessionRecord,
  id: unknown,
  generation: unknown,
  now: number,
  policy: SessionPolicy,
): { readonly record: SessionRecord; readonly result: RefreshResult } {
  const session = findSession(record, id, now, policy);
  if (!session?.isRefreshable || !isIssued(session, generation)) {
    return { record, result: { outcome: 'unknown' } };
  }
  const isInGrace = isWithinGrace(session, now, policy);
  const repeated = { outcome: 'repeated', session } as const;
  if (generation === session.generation) {
    // This token was issued a moment ago, perhaps to another tab. It stays the current one.
    if (session.generation > 0 && isInGrace) return { record, result: repeated };
    const rotated: Session = {
      ...session,
      generation: session.generation + 1,
      isUsed: false,
      refreshedAt: now,
    };
    // The session becomes the last one: the list is in the order of the latest refresh.
    const others = record.sessions.filter((other) => other !== session);
    const next = replaceSessions(record, [...others, rotated], now, policy);
    return { record: next, result: { outcome: 'rotated', session: rotated } };
  }
  const isPredecessor = generation === session.generation - 1;
  if (isPredecessor && isInGrace) return { record, result: repeated };
  if (isPredecessor && !session.isUsed) {
    return { record, result: { outcome: 'repeated late', session } };
  }
  return { record: without(record, session, now, policy), result: { outcome: 'reused' } };
}

/**
 * @returns whether this is the first request with an access token of the current generation. It
 *   proves that the client has the new pair.
 */
export function isFirstUse({ isUsed, generation }: Session, tokenGeneration: unknown): boolean {
  return !isUsed && generation > 0 && generation === tokenGeneration;
}

/** Remembers that a guard accepted an access token of the current generation. */
export function use(
  record: SessionRecord,
  id: unknown,
  generation: unknown,
  now: number,
  policy: SessionPolicy,
): SessionRecord {
  const session = findSession(record, id, now, policy);
  if (session === undefined || !isFirstUse(session, generation)) return record;
  const used: Session = { ...session, isUsed: true };
  const sessions = record.sessions.map((other) => (other === session ? used : other));
  return replaceSessions(record, sessions, now, policy);
}

/** Ends one session. */
export function end(
  record: SessionRecord,
  id: unknown,
  now: number,
  policy: SessionPolicy,
): SessionRecord {
  const session = findSession(record, id, now, policy);
  return session === undefined ? record : without(record, session, now, policy);
}

/**
 * Ends all sessions but one, and all tokens without a session that were issued until now.
 * @param except the id of the session that stays; undefined ends all
 */
export function endAll(
  record: SessionRecord,
  except: string | undefined,
  now: number,
  policy: SessionPolicy,
): SessionRecord {
  const kept = record.sessions.filter(({ id }) => id === except);
  const next = replaceSessions(record, kept, now, policy);
  // A clock that was set back must not bring back what has ended.
  return { ...next, endedAt: Math.max(record.endedAt, now) };
}

/**
 * @param issuedAt the claim `iat` of a token without a session
 * @param leewaySeconds by how much the clock of its issuer may differ
 * @returns whether the token was issued after all sessions of the user were last ended; true also
 *   if they never were
 */
export function isAfterEndOfAll(
  { endedAt }: SessionRecord,
  issuedAt: number,
  leewaySeconds: number,
): boolean {
  // `endedAt` is in whole seconds. A token of the same second may be older than the end, so it does
  // not count as issued after it.
  return endedAt === 0 || Math.floor(issuedAt) > endedAt + Math.ceil(leewaySeconds);
}

/** @returns whether the idle or the absolute lifetime has passed, to the second */
function isOver(session: Session, now: number, policy: SessionPolicy): boolean {
  return now >= endOf(session, policy);
}

function isIssued(session: Session, generation: unknown): boolean {
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation)) return false;
  return generation >= 0 && generation <= session.generation;
}

/**
 * A time far ahead of the clock counts as long ago. Otherwise, after a clock was set back, no
 * refresh would rotate the token until the clock catches up.
 */
function isWithinGrace({ refreshedAt }: Session, now: number, policy: SessionPolicy): boolean {
  // The clock of another server may be a little ahead.
  const ageSeconds = Math.max(0, now - refreshedAt);
  return !isFarAhead(refreshedAt, now) && ageSeconds < policy.graceSeconds;
}

function isFarAhead(time: number, now: number): boolean {
  return time - now > MAX_SECONDS_AHEAD;
}

/** From this many sessions on, an index is faster than a search through the list. */
const MIN_INDEXED_SESSIONS = 16;

/** The sessions of a list by their ids. */
const INDEXES = new WeakMap<readonly Session[], ReadonlyMap<unknown, Session>>();

function sessionWithId(sessions: readonly Session[], id: unknown): Session | undefined {
  // A list that is not frozen could change, and an index of it would be wrong.
  if (sessions.length < MIN_INDEXED_SESSIONS || !Object.isFrozen(sessions)) {
    for (const session of sessions) if (session.id === id) return session;
    return undefined;
  }
  let index = INDEXES.get(sessions);
  if (index === undefined) {
    index = new Map(sessions.map((session) => [session.id, session]));
    INDEXES.set(sessions, index);
  }
  return index.get(id);
}

/** @returns the sessions that stay, so that one more of this kind fits */
function evict(sessions: Session[], isRefreshable: boolean, policy: SessionPolicy): Session[] {
  const rivals = sessions.filter((session) => session.isRefreshable === isRefreshable);
  // Refreshable ones are in the order of their latest refresh, even if the clock was set back.
  if (!isRefreshable) rivals.sort((one, other) => one.endsAt - other.endsAt);
  const maxRivals = (isRefreshable ? policy.maxSessions : MAX_PLAIN_SESSIONS) - 1;
  const evicted = new Set(rivals.slice(0, Math.max(0, rivals.length - maxRivals)));
  return sessions.filter((session) => !evicted.has(session));
}

/** @returns the next record, without this session */
function without(
  record: SessionRecord,
  { id }: Session,
  now: number,
  policy: SessionPolicy,
): SessionRecord {
  const others = record.sessions.filter((session) => session.id !== id);
  return replaceSessions(record, others, now, policy);
}

/**
 * @returns the next record, with the given sessions except those that have expired. A `refreshedAt`
 *   far ahead of the clock is set to the clock. Otherwise the idle time would begin in the future.
 *   As a side effect the grace period begins again.
 */
function replaceSessions(
  { version, endedAt }: SessionRecord,
  sessions: readonly Session[],
  now: number,
  policy: SessionPolicy,
): SessionRecord {
  const live = sessions.filter((session) => !isOver(session, now, policy));
  const corrected = live.map((session) => {
    return isFarAhead(session.refreshedAt, now) ? { ...session, refreshedAt: now } : session;
  });
  return { version: version + 1, endedAt, sessions: corrected };
}
