/** Serves without the queue and without rate limits: every login starts scrypt at once. */
import {
  createApp,
  generateSecret,
  listen,
  MemoryUserStore,
  PasswordHasher,
} from '../../src/index.ts';

const passwords = new PasswordHasher({ maxConcurrent: 1024, maxQueued: 100_000 });
const app = createApp({
  secret: generateSecret(),
  users: new MemoryUserStore(),
  passwords,
  limits: false,
});
const { url } = await listen(app, { port: 0 });
console.log(`listens on ${url}, without a queue`);
