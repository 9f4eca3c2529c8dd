/**
 * Measures `GET /hello` over PostgreSQL, with gathered reads and with one query for each read:
 * `npm run bench:postgres`. It needs a database.
 */
import { randomBytes } from 'node:crypto';
import { reportOf, type Goal, type Result } from './harness/contest.ts';
import { latchkey } from './harness/built.ts';
import { URL_VARIABLE } from './harness/database.ts';
import { readRounds, whereAndWhen } from './harness/report.ts';
import { askInTurns, startAll, stopAll, type Contestant } from './hello.ts';
import { openPool, tablesIn, USERS } from './processes/postgres-tables.ts';

const CONNECTIONS = [1, 8, 64, 256];

const WAYS = {
  bare: 'bare, one query a request',
  single: 'latchkey, one query a read',
  gathered: 'latchkey',
  singleSessions: 'latchkey, sessions, one query a read',
  gatheredSessions: 'latchkey, sessions',
  fastify: 'Fastify + @fastify/jwt + pg',
};

/** @param schema where the tables are */
function contestantsIn(schema: string): readonly Contestant[] {
  const own = 'processes/postgres-server.js';
  const peer = 'processes/postgres-peer.js';
  return [
    { way: WAYS.bare, script: peer, args: ['bare', schema] },
    { way: WAYS.single, script: own, args: ['single', 'off', schema] },
    { way: WAYS.gathered, script: own, args: ['gathered', 'off', schema] },
    { way: WAYS.singleSessions, script: own, args: ['single', 'on', schema] },
    { way: WAYS.gatheredSessions, script: own, args: ['gathered', 'on', schema] },
    { way: WAYS.fastify, script: peer, args: ['fastify', schema] },
  ];
}

function contestWith(connections: number): string {
  return `GET /hello, ${connections} connection${connections === 1 ? '' : 's'}`;
}

function goal(connections: number, way: string, other: string, atMost: number): Goal {
  return { contest: contestWith(connections), way, other, atMost };
}

const GOALS: readonly Goal[] = [
  // A request alone may take a tenth longer.
  goal(1, WAYS.gathered, WAYS.single, 1.1),
  goal(1, WAYS.gatheredSessions, WAYS.singleSessions, 1.1),
  goal(1, WAYS.gathered, WAYS.fastify, 1.1),
  // 2.5 times as fast as one query a read, and twice as fast as Fastify.
  goal(64, WAYS.gathered, WAYS.single, 0.4),
  goal(64, WAYS.gatheredSessions, WAYS.singleSessions, 0.4),
  goal(64, WAYS.gathered, WAYS.fastify, 0.5),
];

async function createTables(pool: ReturnType<typeof openPool>, schema: string): Promise<void> {
  const tables = tablesIn(schema);
  await pool.query(`CREATE SCHEMA ${schema}`);
  const users = new latchkey.PostgresUserStore(pool, { table: tables.users });
  await users.createTable();
  await new latchkey.PostgresSessionStore(pool, { table: tables.sessions }).createTable();
  for (const user of USERS) await users.insert(user);
}

/** @param schema where the tables are */
async function measure(schema: string, rounds: number): Promise<Result[]> {
  const servers = await startAll(contestantsIn(schema));
  const results: Result[] = [];
  for (const connections of CONNECTIONS) {
    const name = contestWith(connections);
    results.push(...(await askInTurns(name, servers, rounds, connections)));
  }
  await stopAll(servers);
  return results;
}

/** @returns the message of the database or of the connection */
function reasonOf(error: unknown): string {
  const { cause = error } = Object(error) as { readonly cause?: unknown };
  const { message, code } = Object(cause) as { readonly message: unknown; readonly code: unknown };
  // A host with several addresses that all refuse the connection has a code and no message.
  return String(message === '' ? code : message);
}

const { rounds, isJson } = readRounds();
const where = `${whereAndWhen()}; ${rounds} rounds`;
const pool = openPool();
const schema = `latchkey_bench_${randomBytes(6).toString('hex')}`;
const dropSchema = () => pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void dropSchema().finally(() => process.kill(process.pid, signal)));
}
try {
  await createTables(pool, schema);
} catch (error) {
  await dropSchema().catch(() => undefined);
  console.error(`The database at ${URL_VARIABLE} cannot be used: ${reasonOf(error)}.`);
  process.exit(1);
}
try {
  const results = await measure(schema, rounds);
  console.log(reportOf(where, results, GOALS, isJson));
} finally {
  await dropSchema();
  await pool.end();
}
