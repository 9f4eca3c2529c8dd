/** The flags of `latchkey serve` for sessions, and how they fit the lifetime of tokens. */
import { oneOf, wholeNumber, type Arguments, type Flags } from './arguments.ts';
import { UsageError } from './command-errors.ts';

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

const aDuration = wholeNumber('<seconds>', 1, 1_000_000_000);

export const SESSION_FLAGS: Flags<SessionConfig> = {
  sessions: {
    name: '--sessions',
    group: SESSION_FLAG_GROUP,
    help: 'logins that can be refreshed and ended',
    kind: oneOf('on', 'off', 'required'),
    defaultText: 'on',
  },
  sessionIdleSeconds: {
    name: '--session-idle',
    group: SESSION_FLAG_GROUP,
    help: 'lifetime of an idle session',
    kind: aDuration,
    defaultText: '1209600',
  },
  sessionMaxSeconds: {
    name: '--session-max',
    group: SESSION_FLAG_GROUP,
    help: 'lifetime of any session',
    kind: aDuration,
    defaultText: '2592000',
  },
};

/**
 * A default gives way to what was typed: no session ends before its first token does.
 * @throws UsageError if the flags that were typed contradict each other or `--lifetime`
 */
export function sessionConfigOf(
  config: SessionConfig & TokenTimes,
  { typed }: Arguments,
): SessionConfig {
  const { sessions, sessionIdleSeconds, sessionMaxSeconds, lifetimeSeconds } = config;
  const [idleFlag, maxFlag] = [
    SESSION_FLAGS.sessionIdleSeconds.name,
    SESSION_FLAGS.sessionMaxSeconds.name,
  ];
  const [isIdleTyped, isMaxTyped] = [typed.has(idleFlag), typed.has(maxFlag)];
  if (sessions === 'off') {
    const needless = isIdleTyped ? idleFlag : maxFlag;
    if (isIdleTyped || isMaxTyped) throw new UsageError(`${needless} needs --sessions on`);
    return { sessions, sessionIdleSeconds, sessionMaxSeconds };
  }
  if (isIdleTyped) checkAtLeast(lifetimeSeconds, '--lifetime', idleFlag, sessionIdleSeconds);
  if (isMaxTyped) checkAtLeast(lifetimeSeconds, '--lifetime', maxFlag, sessionMaxSeconds);
  if (isIdleTyped && isMaxTyped) {
    checkAtLeast(sessionIdleSeconds, idleFlag, maxFlag, sessionMaxSeconds);
  }
  const shortestMax = Math.max(
    lifetimeSeconds + config.leewaySeconds,
    isIdleTyped ? sessionIdleSeconds : 0,
  );
  const maxSeconds = isMaxTyped ? sessionMaxSeconds : Math.max(sessionMaxSeconds, shortestMax);
  const defaultIdle = Math.min(Math.max(sessionIdleSeconds, lifetimeSeconds), maxSeconds);
  return {
    sessions,
    sessionIdleSeconds: isIdleTyped ? sessionIdleSeconds : defaultIdle,
    sessionMaxSeconds: maxSeconds,
  };
}

function checkAtLeast(min: number, minFlag: string, flag: string, seconds: number): void {
  if (seconds >= min) return;
  throw new UsageError(`${flag} expected at least ${min} (${minFlag}), got "${seconds}"`);
}
