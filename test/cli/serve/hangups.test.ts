/** SIGHUP sent to this process: no signal is lost, and no two reloads overlap. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { watchHangups } from '../../../src/cli/serve/hangups.ts';

/** Sends the signal. @returns once this process has got it */
async function hangUp(): Promise<void> {
  const got = once(process, 'SIGHUP');
  process.kill(process.pid, 'SIGHUP');
  await got;
}

/** A reload that a test ends, and how often it has begun. */
function heldReload() {
  const ends: (() => void)[] = [];
  const reload = () => new Promise<void>((resolve) => ends.push(resolve));
  return { ends, reload };
}

const stop = () => assert.fail('this process has no terminal that closes');

/** @returns once all promises that are settled have been seen */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('watchHangups', { concurrency: 1 }, () => {
  let keepAlive: NodeJS.Timeout;
  // A listener for a signal does not keep the process alive.
  before(() => void (keepAlive = setInterval(() => undefined, 60_000)));
  after(() => {
    clearInterval(keepAlive);
    process.removeAllListeners('SIGHUP');
  });

  it('reloads at each signal', async () => {
    process.removeAllListeners('SIGHUP');
    let reloads = 0;
    watchHangups()({ stop, reload: async () => void (reloads += 1) });
    assert.equal(reloads, 0, 'no signal has come');
    for (const expected of [1, 2]) {
      await hangUp();
      await settled();
      assert.equal(reloads, expected);
    }
  });

  it('a signal during the start reloads once the server listens', async () => {
    process.removeAllListeners('SIGHUP');
    const setActions = watchHangups();
    await hangUp();
    await hangUp();
    const { ends, reload } = heldReload();
    setActions({ stop });
    await hangUp();
    setActions({ stop, reload });
    assert.equal(ends.length, 1);
    ends[0]?.();
    await settled();
    assert.equal(ends.length, 1, 'one reading serves all');
  });

  it('signals during a reload begin one more, after it', async () => {
    process.removeAllListeners('SIGHUP');
    const { ends, reload } = heldReload();
    watchHangups()({ stop, reload });
    await hangUp();
    await hangUp();
    await hangUp();
    await settled();
    assert.equal(ends.length, 1, 'they do not overlap');
    ends[0]?.();
    await settled();
    assert.equal(ends.length, 2, 'none is lost');
    ends[1]?.();
    await settled();
    assert.equal(ends.length, 2);
    await hangUp();
    assert.equal(ends.length, 3);
  });
});
