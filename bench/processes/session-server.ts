/**
 * Serves `GET /hello` to a client that has logged in, with sessions or without, in a process of its
 * own: `session-server.ts <memory|file> <on|off>`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latchkey } from '../harness/built.ts';
import { SECRET } from '../harness/secret.ts';
import { bearer, storedUser, tellParent } from './hello-child.ts';

const {
  createApp,
  JsonFileSessionStore,
  JsonFileUserStore,
  listen,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
} = latchkey;

const [place, sessions] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true }));

const isFile = place === 'file';
const users = isFile
  ? await JsonFileUserStore.open(join(folder, 'users.jsonl'))
  : new MemoryUserStore();
const user = storedUser('joe');
await users.insert(user);

async function openSessions(): Promise<InstanceType<typeof Sessions>> {
  const store = isFile
    ? await JsonFileSessionStore.open(join(folder, 'sessions.jsonl'))
    : new MemorySessionStore();
  return new Sessions({ store });
}

const app = createApp({
  users,
  secret: SECRET,
  lifetimeSeconds: 3600,
  ...(sessions === 'on' && { sessions: await openSessions() }),
});
const { access_token: token } = await app.auth.issue(user);
const { port } = await listen(app, { port: 0 });
tellParent({ port, users: [{ name: user.id, proof: bearer(token) }] });
