/**
 * Changes an account over files, and ends itself with SIGKILL after a write:
 * `account-change.ts <users file> <sessions file> <change> <number of the write>`.
 */
import { JsonFileSessionStore } from '../../../src/sessions/json-file.ts';
import { JsonFileUserStore } from '../../../src/users/json-file.ts';
import { CHANGES, makeService, watchedStores } from '../account-service.ts';

const [usersPath = '', sessionsPath = '', change = '', lastWrite = ''] = process.argv.slice(2);
const users = await JsonFileUserStore.open(usersPath);
const sessionStore = await JsonFileSessionStore.open(sessionsPath);
const watched = watchedStores(users, sessionStore, async ({ number }, work) => {
  const result = await work();
  if (number === Number(lastWrite)) process.kill(process.pid, 'SIGKILL');
  return result;
});
process.send?.('ready');
await CHANGES[change]?.(makeService(watched).accounts, 'joe');
