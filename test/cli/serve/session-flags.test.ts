/** How long sessions live by the flags, and which flags contradict each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/cli/command-errors.ts';
import { readServeConfig } from '../../../src/cli/serve/flags.ts';
import { MemorySessionStore } from '../../../src/sessions/memory.ts';
import { Sessions } from '../../../src/sessions/sessions.ts';

const FOURTEEN_DAYS = 1_209_600;
const THIRTY_DAYS = 2_592_000;

/** Flags, and for how many seconds sessions live: unless refreshed, and at the latest. */
const LIFETIMES: readonly [flags: string, idleSeconds: number, maxSeconds: number][] = [
  ['', FOURTEEN_DAYS, THIRTY_DAYS],
  ['--sessions required', FOURTEEN_DAYS, THIRTY_DAYS],
  // Command lines from before there were sessions: no session ends before its token.
  ['--lifetime 1209600', FOURTEEN_DAYS, THIRTY_DAYS],
  ['--lifetime 1209601', FOURTEEN_DAYS + 1, THIRTY_DAYS],
  ['--lifetime 2591990', THIRTY_DAYS - 10, THIRTY_DAYS],
  ['--lifetime 2592000', THIRTY_DAYS, THIRTY_DAYS + 10],
  ['--lifetime 2592000 --leeway 0', THIRTY_DAYS, THIRTY_DAYS],
  ['--lifetime 1000000000 --leeway 86400', 1_000_000_000, 1_000_086_400],
  // A default gives way to the flag that was typed.
  ['--session-idle 3000', 3000, THIRTY_DAYS],
  ['--session-idle 5000000', 5_000_000, 5_000_000],
  ['--session-max 3010', 3010, 3010],
  ['--session-max 3000 --leeway 0', 3000, 3000],
  ['--session-max 2592000', FOURTEEN_DAYS, THIRTY_DAYS],
  ['--session-idle 3600 --session-max 3600', 3600, 3600],
  ['--lifetime 60 --session-idle 60 --session-max 70', 60, 70],
  ['--session-idle 1000000000 --session-max 1000000000', 1_000_000_000, 1_000_000_000],
];
for (const [flags, idleSeconds, maxSeconds] of LIFETIMES) {
  test(`sessions outlive their tokens, and a default gives way: serve ${flags}`, async () => {
    const config = await readServeConfig(flags.split(' ').filter((word) => word !== ''));
    const { sessionIdleSeconds, sessionMaxSeconds } = config;
    assert.deepEqual([sessionIdleSeconds, sessionMaxSeconds], [idleSeconds, maxSeconds]);
  });
}

const CONTRADICTIONS: readonly [flags: string, accepted: string, message: string][] = [
  [
    '--session-idle 2999',
    '--session-idle 3000',
    '--session-idle expected at least 3000 (--lifetime), got "2999"',
  ],
  [
    '--lifetime 61 --session-max 70',
    '--lifetime 60 --session-max 70',
    '--session-max expected at least 71 (--lifetime and --leeway), got "70"',
  ],
  [
    '--session-max 3000 --leeway 1',
    '--session-max 3000 --leeway 0',
    '--session-max expected at least 3001 (--lifetime and --leeway), got "3000"',
  ],
  [
    '--session-idle 4001 --session-max 4000',
    '--session-idle 4000 --session-max 4000',
    '--session-max expected at least 4001 (--session-idle), got "4000"',
  ],
  [
    '--sessions off --session-idle 4000',
    '--sessions on --session-idle 4000',
    '--session-idle needs --sessions on or required',
  ],
  [
    '--session-max 4000 --sessions off',
    '--session-max 4000 --sessions required',
    '--session-max needs --sessions on or required',
  ],
  [
    '--sessions maybe',
    '--sessions on',
    '--sessions expected on or off or required, got "maybe"',
  ],
  [
    '--session-idle 0',
    '--session-idle 1 --lifetime 1',
    '--session-idle expected a whole number from 1 to 1000000000, got "0"',
  ],
];
for (const [refused, accepted, message] of CONTRADICTIONS) {
  test(`flags that contradict each other are refused: ${refused}`, async () => {
    await assert.rejects(readServeConfig(refused.split(' ')), (error) => {
      return error instanceof UsageError && error.message === message;
    });
    await readServeConfig(accepted.split(' '));
  });
}

test('without flags sessions live as long as those of the library', async () => {
  const config = await readServeConfig([]);
  const { idleSeconds, maxSeconds } = new Sessions({ store: new MemorySessionStore() });
  assert.equal(config.sessionIdleSeconds, idleSeconds);
  assert.equal(config.sessionMaxSeconds, maxSeconds);
});
