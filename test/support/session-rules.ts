/** Records of sessions, as short as a test wants them. */
import type { SessionPolicy } from '../../src/sessions/rules.ts';
import type { Session, SessionRecord } from '../../src/sessions/store.ts';

/** The clock of these tests stands here, in seconds since 1970. */
export const NOW = 1_800_000_000;

export const POLICY: SessionPolicy = { idleSeconds: 1000, graceSeconds: 10, maxSessions: 50 };

/** A refreshable session that began now, with these differences. */
export function sessionWith(differences: Partial<Session> = {}): Session {
  return {
    id: 'A',
    generation: 0,
    isUsed: false,
    isRefreshable: true,
    startedAt: NOW,
    refreshedAt: NOW,
    endsAt: NOW + 5000,
    agent: 'curl/8',
    ...differences,
  };
}

export function recordWith(...sessions: readonly Session[]): SessionRecord {
  return { version: 7, endedAt: 0, sessions };
}

export const idsOf = ({ sessions }: SessionRecord): string[] => sessions.map(({ id }) => id);
