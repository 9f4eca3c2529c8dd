/** The address of a client, by which the limits count, behind the middleware for Express. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  guard,
  login,
  logout,
  refresh,
  signup,
  type ExpressMiddleware,
} from '../../src/express.ts';
import type { Client } from '../../src/index.ts';
import { send } from '../support/app.ts';
import { authWith, LOGIN, withNodeServer } from '../support/guard.ts';

/** Serves a middleware that answers each request itself. */
async function withMiddleware(
  middleware: ExpressMiddleware,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const handle: Parameters<typeof withNodeServer>[0] = (req, res) =>
    middleware(req, res, () => res.writeHead(299).end());
  await withNodeServer(handle, (_port, url) => use(url));
}

test('X-Forwarded-For tells the address of a client only where a proxy is trusted', async () => {
  const addresses: unknown[] = [];
  const note = async ({ address }: Client) => void addresses.push(address);
  // Accounts counts signups by the address of its second argument.
  const accounts = { signup: (_body: unknown, client?: Client) => note(Object(client)) as never };
  for (const options of [{}, { trustProxy: 1 }]) {
    const middlewares = [
      login({ login: note }, options),
      refresh({ refresh: note }, options),
      logout({ logout: note }, options),
      signup(accounts, options),
    ];
    for (const middleware of middlewares) {
      await withMiddleware(middleware, async (url) => {
        await send(url, 'POST', LOGIN, { 'X-Forwarded-For': '192.0.2.1' });
      });
    }
  }
  const [peer, client] = ['127.0.0.1', '192.0.2.1'];
  assert.deepEqual(addresses, [peer, peer, peer, peer, client, client, client, client]);
});

test('the event of a refusal has the address of the client, as a trusted proxy tells it', async () => {
  const events: object[] = [];
  const listener = (message: unknown) => void events.push(Object(message));
  subscribe('latchkey:refusal', listener);
  for (const options of [{}, { trustProxy: 1 }]) {
    for (const middleware of [login(authWith(), options), guard(authWith(), options)]) {
      await withMiddleware(middleware, async (url) => {
        const headers = { 'X-Forwarded-For': '192.0.2.1' };
        await send(url, 'POST', { ...LOGIN, password: 'wrong' }, headers);
      });
    }
  }
  unsubscribe('latchkey:refusal', listener);
  const refused = (code: string, address: string) => ({
    code,
    status: 401,
    method: 'POST',
    address,
  });
  const codes = ['ERR_CREDENTIALS', 'ERR_AUTHORIZATION_MISSING'];
  assert.deepEqual(events, ['127.0.0.1', '192.0.2.1'].flatMap((address) => {
    return codes.map((code) => refused(code, address));
  }));
});
