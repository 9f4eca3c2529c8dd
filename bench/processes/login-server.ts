/**
 * Serves logins over files, with sessions, in a process of its own:
 * `login-server.ts <cores that hash> <log2 N>`. Every account has the same password.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latchkey } from '../harness/built.ts';
import { tellParent } from './hello-child.ts';
import { SECRET } from '../harness/secret.ts';

const {
  createApp,
  JsonFileSessionStore,
  JsonFileUserStore,
  listen,
  PasswordHasher,
  Sessions,
} = latchkey;

const [cores, logN] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

const users = await JsonFileUserStore.open(join(folder, 'users.jsonl'));
const store = await JsonFileSessionStore.open(join(folder, 'sessions.jsonl'));
const passwords = new PasswordHasher({
  ...(cores !== undefined && { maxConcurrent: cores }),
  ...(logN !== undefined && { logN }),
});
const app = createApp({
  users,
  secret: SECRET,
  sessions: new Sessions({ store }),
  passwords,
  limits: false,
});
await app.accounts.signup({ username: 'joe', password: 'correct horse' });
const { port } = await listen(app, { port: 0 });
tellParent({ port });
