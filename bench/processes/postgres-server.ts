/**
 * Serves `GET /hello` with latchkey over PostgreSQL, in a process of its own:
 * `postgres-server.ts <gathered|single> <sessions on|off> <schema>`.
 */
import { latchkey } from '../harness/built.ts';
import { SECRET } from '../harness/secret.ts';
import { bearer, tellParent, type HelloUser } from './hello-child.ts';
import { SingleReadSessionStore, SingleReadUserStore } from './postgres-single-reads.ts';
import { LIFETIME_SECONDS, openPool, tablesIn, USERS, withoutSessions } from './postgres-tables.ts';

const { createApp, listen, PostgresSessionStore, PostgresUserStore, Sessions } = latchkey;

const [reads, sessions, schema = ''] = process.argv.slice(2);
const isSingle = reads === 'single';
const tables = tablesIn(schema);
const pool = openPool();

const users = isSingle
  ? new SingleReadUserStore(pool, tables)
  : new PostgresUserStore(pool, { table: tables.users });

function openSessions(): InstanceType<typeof Sessions> {
  const store = isSingle
    ? new SingleReadSessionStore(pool, tables)
    : new PostgresSessionStore(pool, { table: tables.sessions });
  return new Sessions({ store });
}

const hasSessions = sessions === 'on';
const app = createApp({
  users,
  secret: SECRET,
  lifetimeSeconds: LIFETIME_SECONDS,
  ...(hasSessions && { sessions: openSessions() }),
});

/** @returns all users, each with a token of a session of its own */
function withSessions(): Promise<HelloUser[]> {
  return Promise.all(
    USERS.map(async (user) => {
      const { access_token: token } = await app.auth.issue(user);
      return { name: user.username, proof: bearer(token) };
    }),
  );
}

const askers = hasSessions ? await withSessions() : withoutSessions();
const { port } = await listen(app, { port: 0 });
tellParent({ port, users: askers });
