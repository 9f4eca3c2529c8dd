/**
 * Serves `GET /hello` over PostgreSQL without latchkey, in a process of its own:
 * `postgres-peer.ts <bare|fastify> <schema>`. Each server reads the user with one query a request.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastifyJwt from '@fastify/jwt';
import Fastify from 'fastify';
import { SECRET } from '../harness/secret.ts';
import { answerTo, portOf, tellParent } from './hello-child.ts';
import { openPool, tablesIn, withoutSessions } from './postgres-tables.ts';

const [way = '', schema = ''] = process.argv.slice(2);
const pool = openPool();
const text = `SELECT username FROM ${tablesIn(schema).users} WHERE id = $1`;

async function helloTo(identity: unknown): Promise<ReturnType<typeof answerTo>> {
  const { rows: [user] } = await pool.query<{ username: string }>(text, [identity]);
  if (user === undefined) throw new Error('no such user');
  return answerTo(user.username);
}

/** Reads the identity from the token without verifying it. */
function claimedBy(message: IncomingMessage): unknown {
  const [, payload = ''] = message.headers.authorization?.split('.') ?? [];
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return (claims as { readonly identity?: unknown }).identity;
}

const WAYS: Readonly<Record<string, () => Promise<number>>> = {
  bare: () => {
    return portOf(
      createServer(async (message, response) => {
        const body = `${JSON.stringify(await helloTo(claimedBy(message)))}\n`;
        response.writeHead(200, {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          'Cache-Control': 'no-store',
          'X-Content-Type-Options': 'nosniff',
        });
        response.end(body);
      }),
    );
  },
  fastify: async () => {
    const app = Fastify();
    await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'] } });
    app.get(
      '/hello',
      { onRequest: (request) => request.jwtVerify().then(() => undefined) },
      ({ user }) => helloTo((user as { identity?: unknown }).identity),
    );
    await app.listen({ port: 0, host: '127.0.0.1' });
    return (app.server.address() as AddressInfo).port;
  },
};

const serve = WAYS[way];
if (serve === undefined) throw new Error(`unknown server: ${way}`);
tellParent({ port: await serve(), users: withoutSessions() });
