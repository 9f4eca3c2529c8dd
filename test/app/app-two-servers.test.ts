/** Two servers over one store of sessions: what one has ended, the other refuses at once. */
import { test } from 'node:test';
import { MemorySessionStore, MemoryUserStore, Sessions } from '../../src/index.ts';
import { withApp } from '../support/app.ts';
import { assertEndsOnBoth, SHARED_ENDS } from '../support/shared-ends.ts';

test('what one server has ended, every other refuses at the next request', async () => {
  for (const end of SHARED_ENDS) {
    const [users, store] = [new MemoryUserStore(), new MemorySessionStore()];
    // Each server has its own Sessions, as it would in another process.
    const options = () => ({ users, sessions: new Sessions({ store }) });
    await withApp(options(), async (one) => {
      await withApp(options(), async (other) => {
        await assertEndsOnBoth(one.url, other.url, end);
      });
    });
  }
});
