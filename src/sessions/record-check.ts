/**
 * The check of a session record that was read from a file or a database, or passed to `put`.
 * Promise: a value that passes has exactly the members of a record, as own members, each of its
 * type and in its bounds. No two of its sessions have one id. A reason never repeats a value.
 */
import { isObject } from '../values.ts';
import { copyOfRecord, type Session, type SessionRecord } from './store.ts';

/** What a member must be, and the check. */
interface MemberCheck {
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
}

type MemberChecks<Type> = Readonly<Record<keyof Type, MemberCheck>>;

const TEXT: MemberCheck = {
  expected: 'a string',
  accepts: (value) => typeof value === 'string',
};

const FLAG: MemberCheck = {
  expected: 'a boolean',
  accepts: (value) => typeof value === 'boolean',
};

/** Seconds since 1970. JSON can hold 1e400, which is parsed as Infinity. */
const TIME: MemberCheck = {
  expected: 'a finite number of at least 0',
  accepts: (value) => Number.isFinite(value) && Number(value) >= 0,
};

function integerFrom(min: number): MemberCheck {
  return {
    expected: `an integer of at least ${min}`,
    accepts: (value) => Number.isSafeInteger(value) && Number(value) >= min,
  };
}

const LIST: MemberCheck = {
  expected: 'an array',
  accepts: Array.isArray,
};

const SESSION_CHECKS: MemberChecks<Session> = {
  id: TEXT,
  generation: integerFrom(0),
  isUsed: FLAG,
  isRefreshable: FLAG,
  startedAt: TIME,
  refreshedAt: TIME,
  endsAt: TIME,
  agent: TEXT,
};

const RECORD_CHECKS: MemberChecks<SessionRecord> = {
  version: integerFrom(1),
  endedAt: TIME,
  sessions: LIST,
};

/**
 * A member that this version does not know is refused, because it may restrict the session in a way
 * that this version would ignore.
 * @param value a parsed JSON value, or the record that a caller passed to `put`
 * @returns a deeply frozen record; or why the value is not one, such as
 *   `has an "isUsed" in a session that is not a boolean`
 */
export function readRecord(value: unknown): SessionRecord | string {
  // Without a fault the value has all members of a record.
  return faultOf(value) ?? copyOfRecord(value as SessionRecord);
}

/** @returns the first reason why a value is not a record, or undefined */
function faultOf(value: unknown): string | undefined {
  if (!isObject(value)) return 'is not an object';
  const fault = faultOfMembers(value, RECORD_CHECKS, 'a record');
  if (fault !== undefined) return fault;
  const { sessions } = value;
  return Array.isArray(sessions) ? faultOfSessions(sessions) : undefined;
}

function faultOfSessions(sessions: readonly unknown[]): string | undefined {
  const ids = new Set<unknown>();
  for (const session of sessions) {
    if (!isObject(session)) return 'has a session that is not an object';
    const fault = faultOfMembers(session, SESSION_CHECKS, 'a session');
    if (fault !== undefined) return fault;
    ids.add(session['id']);
  }
  return ids.size === sessions.length ? undefined : 'has two sessions with one id';
}

/** @param kind the kind of object, such as `a session` */
function faultOfMembers<Type>(
  object: Readonly<Record<string, unknown>>,
  checks: MemberChecks<Type>,
  kind: string,
): string | undefined {
  const rows = Object.entries<MemberCheck>(checks);
  const isComplete = rows.every(([name]) => Object.hasOwn(object, name));
  if (!isComplete || Object.keys(object).length !== rows.length) {
    return `has a member too many or too few in ${kind}`;
  }
  const wrong = rows.find(([name, { accepts }]) => !accepts(object[name]));
  if (wrong === undefined) return undefined;
  const [name, { expected }] = wrong;
  const article = /^[aeiou]/.test(name) ? 'an' : 'a';
  return `has ${article} "${name}" in ${kind} that is not ${expected}`;
}
