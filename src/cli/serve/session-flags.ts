/** The flags of `latchkey serve` for sessions, and how they fit the lifetime of tokens. */
import { oneOf, wholeNumber, type Arguments, type Flags } from '../arguments.ts';
import { UsageError } from '../command-errors.ts';

/** Whether logins are sessions, and how long sessions live. */
export interface SessionConfig {
  /** `required` also refuses tokens without a session. */
  readonly sessions: 'on' | 'off' | 'required';
  readonly sessionIdleSeconds: number;
  readonly sessionMaxSeconds: number;
}

/** How long a token is accepted. */
interface TokenTimes {
  readonly lifetimeSeconds: number;
  readonly leewaySeconds: number;
}

export const SESSION_FLAG_GROUP = 'Tokens and sessions';

const durationKind = wholeNumber('<seconds>', 1, 1_000_000_000);

export const SESSION_FLAGS: Flags<SessionConfig> = {
  sessions: {
    name: '--sessions',
    group: SESSION_FLAG_GROUP,
    help: 'required: no token without a session',
    kind: oneOf('on', 'off', 'required'),
    defaultText: 'on',
  },
  sessionIdleSeconds: {
    name: '--session-idle',
    group: SESSION_FLAG_GROUP,
    help: 'seconds until idle sessions end',
    kind: durationKind,
    defaultText: '1209600',
  },
  sessionMaxSeconds: {
    name: '--session-max',
    group: SESSION_FLAG_GROUP,
    help: 'seconds a session lasts at most',
    kind: durationKind,
    defaultText: '2592000',
  },
};

/**
 * Raises or lowers a default so that it fits the flags that were typed. No session then ends before
 * its first token. A session whose client did not ask for a refresh token also lasts through the
 * leeway of its token.
 * @throws UsageError if a flag that was typed contradicts another one, or the value of `--lifetime`
 *   or `--leeway`
 */
export function sessionConfigOf(
  config: SessionConfig & TokenTimes,
  { typed }: Arguments,
): SessionConfig {
  const { sessions, lifetimeSeconds, leewaySeconds } = config;
  const idleFlag = SESSION_FLAGS.sessionIdleSeconds.name;
  const maxFlag = SESSION_FLAGS.sessionMaxSeconds.name;
  const idle = typed.has(idleFlag) ? config.sessionIdleSeconds : undefined;
  const max = typed.has(maxFlag) ? config.sessionMaxSeconds : undefined;
  if (sessions === 'off') {
    if (idle !== undefined) throw needsSessions(idleFlag);
    if (max !== undefined) throw needsSessions(maxFlag);
    return config;
  }
  const shortestMax = lifetimeSeconds + leewaySeconds;
  if (idle !== undefined) checkAtLeast(lifetimeSeconds, '--lifetime', idleFlag, idle);
  if (max !== undefined) checkAtLeast(shortestMax, '--lifetime and --leeway', maxFlag, max);
  if (idle !== undefined && max !== undefined) checkAtLeast(idle, idleFlag, maxFlag, max);
  const sessionMaxSeconds = max ?? Math.max(config.sessionMaxSeconds, shortestMax, idle ?? 0);
  const fittingIdle = Math.max(config.sessionIdleSeconds, lifetimeSeconds);
  const sessionIdleSeconds = idle ?? Math.min(fittingIdle, sessionMaxSeconds);
  return { sessions, sessionIdleSeconds, sessionMaxSeconds };
}

function needsSessions(flag: string): UsageError {
  return new UsageError(`${flag} needs --sessions on or required`);
}

/** @param minFlags those that decide the minimum */
function checkAtLeast(min: number, minFlags: string, flag: string, seconds: number): void {
  if (seconds >= min) return;
  throw new UsageError(`${flag} expected at least ${min} (${minFlags}), got "${seconds}"`);
}
