/** The three routes of the tutorial answer the same bytes with sessions on and off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  decodeUnverified,
  Jwt,
  JwtAuth,
  MemorySessionStore,
  MemoryUserStore,
  Router,
  Sessions,
  type PublicUser,
} from '../../src/index.ts';
import { cheapPasswords, sendRaw, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

const TOKEN = /ey[\w-]+\.[\w-]+\.[\w-]+/;
/** Lines that differ from one reply to the next: the time, and the length of a token. */
const CHANGING_LINES = /^(?:Date|Content-Length): .*\r\n/gm;

/** Sends the requests one after another. @returns the bytes of each reply, and the token */
async function bytesOf(sessions?: Sessions): Promise<{ replies: string[]; token: string }> {
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords: cheapPasswords() });
  const auth = new JwtAuth<PublicUser>({ secret: SECRET, sessions, ...accounts.handlers });
  const app = new Router({ onError: () => undefined })
    .post(
      '/signup',
      async (request) => accounts.signup(await request.json(), request).then(() => 1),
    )
    .post('/auth', auth.login)
    .get('/hello', auth.required((_request, { username }) => `Hello ${username}`));
  return withServer(app, async ({ port }) => {
    const replies: string[] = [];
    let token = '';
    const exchange = async (route: string, body = '', authorization?: string) => {
      const head = [
        `${route} HTTP/1.1`,
        'Host: x',
        'Connection: close',
        'Content-Type: application/json',
        `Content-Length: ${body.length}`,
        ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
      ];
      const reply = await sendRaw(port, `${head.join('\r\n')}\r\n\r\n${body}`);
      [token = token] = TOKEN.exec(reply) ?? [];
      replies.push(reply.replace(TOKEN, '<token>').replace(CHANGING_LINES, ''));
    };
    const joe = { username: 'joe', password: 'correct horse' };
    await exchange('POST /signup', JSON.stringify(joe));
    await exchange('POST /signup', JSON.stringify(joe));
    for (const body of [joe, { ...joe, refresh: 'yes' }, { ...joe, password: 'x' }, [], {}]) {
      await exchange('POST /auth', JSON.stringify(body));
    }
    await exchange('POST /auth', '{');
    const { claims } = decodeUnverified(token);
    const expired = new Jwt({ secret: SECRET }).sign({ ...claims, exp: 1 });
    const unknown = new Jwt({ secret: SECRET }).sign({ identity: 'ann' });
    const authorizations = ['', 'JWT', `Basic ${token}`, `JWT ${token} x`, `JWT ${token}x`];
    for (const authorization of [...authorizations, `JWT ${expired}`, `Bearer ${unknown}`]) {
      await exchange('GET /hello', '', authorization);
    }
    await exchange('GET /hello');
    await exchange('GET /hello', '', `JWT ${token}`);
    await exchange('GET /hello', '', `bearer ${token}`);
    return { replies, token };
  });
}

test('the three routes of the tutorial have the same bytes, but for the claims of a token', async () => {
  const off = await bytesOf();
  const on = await bytesOf(new Sessions({ store: new MemorySessionStore() }));
  assert.deepEqual(on.replies, off.replies);
  assert.match(String(off.replies.at(-1)), /\r\n\r\n"Hello joe"\n$/);
  const logins = off.replies.filter((reply) => reply.includes('{"access_token":"<token>"}'));
  assert.equal(logins.length, 2);
  const names = ({ token }: { token: string }) => Object.keys(decodeUnverified(token).claims);
  assert.deepEqual(names(on), [...names(off), 'sid', 'gen']);
});
