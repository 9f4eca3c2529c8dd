/**
 * Serves `GET /hello` with another framework, in a process of its own:
 * `peer-server.ts <express|fastify|fastifyCached|hono>`.
 */
import { createSecretKey, webcrypto } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastifyJwt from '@fastify/jwt';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { expressjwt, type Request as WithAuth } from 'express-jwt';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { jwt as honoJwt, type JwtVariables } from 'hono/jwt';
import { portOf, tellParent } from './hello-child.ts';
import { SECRET } from '../harness/secret.ts';

const { subtle } = webcrypto;

/** Each server looks the user up here, as latchkey looks it up in its store. */
const USERS = new Map([['joe', { username: 'joe' }]]);

const helloTo = (identity: unknown) => {
  const user = USERS.get(String(identity));
  if (user === undefined) throw new Error('no such user');
  return { Status: 'Success', result: `Hello ${user.username}` };
};

/** @param cache how many tokens it remembers, or false */
async function serveFastify(cache: number | false): Promise<number> {
  const app = Fastify();
  await app.register(fastifyJwt, { secret: SECRET, verify: { algorithms: ['HS256'], cache } });
  app.get(
    '/hello',
    { onRequest: (request) => request.jwtVerify().then(() => undefined) },
    async ({ user }) => helloTo((user as { identity?: unknown }).identity),
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  return (app.server.address() as AddressInfo).port;
}

const WAYS: Readonly<Record<string, () => Promise<number>>> = {
  express: () => {
    const app = express();
    const guard = expressjwt({ secret: createSecretKey(SECRET, 'utf8'), algorithms: ['HS256'] });
    app.get(
      '/hello',
      guard,
      (request: WithAuth, response) => void response.json(helloTo(request.auth?.['identity'])),
    );
    return portOf(createServer(app));
  },
  fastify: () => serveFastify(false),
  fastifyCached: () => serveFastify(1000),
  hono: async () => {
    // From a string, hono/jwt would import the key again for each request.
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const secret = await subtle.importKey('raw', Buffer.from(SECRET), hmac, false, ['verify']);
    const app = new Hono<{ Variables: JwtVariables<{ identity?: unknown }> }>();
    app.use('/hello', honoJwt({ secret, alg: 'HS256' }));
    app.get('/hello', (context) => context.json(helloTo(context.get('jwtPayload').identity)));
    return portOf(createServer(getRequestListener(app.fetch)));
  },
};

const [way = ''] = process.argv.slice(2);
const serve = WAYS[way];
if (serve === undefined) throw new Error(`unknown server: ${way}`);
tellParent({ port: await serve() });
