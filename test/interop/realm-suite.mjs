/**
 * A suite as a user of Jest or Vitest writes it, for `realms.interop.ts`, which copies it into the
 * folder of a user. The package `two` there exports a second copy of latchkey. jsdom has no
 * `fetch`, so requests go out through node:http.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import * as latchkey from 'latchkey';
import * as two from 'two';

const SECRET = Buffer.alloc(32, 7);
const JOE = { username: 'joe', password: 'correct horse' };
const folder = mkdtempSync(join(process.env.REALM_FOLDER, 'suite-'));

/** Sends a request. @returns its status, its headers and its parsed body */
async function send(url, method = 'GET', body = undefined, headers = {}) {
  const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const options = { method, headers: { Connection: 'close', ...type, ...headers } };
  const message = httpRequest(url, options);
  message.end(typeof body === 'object' ? JSON.stringify(body) : body);
  const [response] = await once(message, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  const { statusCode: status, headers: received } = response;
  return { status, headers: received, body: text === '' ? undefined : JSON.parse(text) };
}

async function serving({ listen }, app, use) {
  const server = await listen(app, { port: 0 });
  try {
    return await use(server.url);
  } finally {
    await server.close();
  }
}

const thrownBy = async (run) => {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return undefined;
};

test('bytes and a KeyObject are secrets', () => {
  const bytes = new Uint8Array(32).fill(7);
  for (const secret of [SECRET, bytes, createSecretKey(SECRET), [bytes, SECRET]]) {
    const jwt = new latchkey.Jwt({ secret });
    const token = new latchkey.Jwt({ secret: SECRET }).sign({ sub: 'joe' });
    expect(jwt.verify(token).sub).toBe('joe');
  }
  const signature = new latchkey.Jwt({ secret: 'x'.repeat(32) }).sign({});
  expect(() => new latchkey.Jwt({ secret: SECRET }).verify(signature)).toThrow('Signature');
});

for (const [name, kind] of Object.entries({ latchkey, two })) {
  test(`${name}: a user signs up, logs in and passes the guard`, async () => {
    const { createApp, MemoryUserStore, PasswordHasher } = kind;
    const users = new MemoryUserStore();
    const passwords = new PasswordHasher({ logN: 1 });
    const app = createApp({ secret: SECRET, users, passwords });
    await serving(latchkey, app, async (url) => {
      expect((await send(`${url}/signup`, 'POST', JOE)).status).toBe(200);
      expect((await send(`${url}/signup`, 'POST', JOE)).status).toBe(400);
      const login = await send(`${url}/auth`, 'POST', JOE);
      const headers = { Authorization: `JWT ${login.body.access_token}` };
      expect((await send(`${url}/hello`, 'GET', undefined, headers)).status).toBe(200);
      const missing = await send(`${url}/hello`);
      expect(missing.status).toBe(401);
      expect(missing.headers['www-authenticate']).toMatch(/^JWT realm=/);
      expect((await send(`${url}/auth`, 'POST', { ...JOE, password: 'wrong' })).status).toBe(401);
      expect((await send(`${url}/auth`, 'POST', '{"username":')).status).toBe(400);
      expect((await send(`${url}/signup`, 'POST', '{"username":')).body.Status).toBe('Error');
      expect((await send(`${url}/none`)).status).toBe(404);
    });
  });
}

test('a router sends the refusals and the replies of both copies', async () => {
  const reported = [];
  const router = new latchkey.Router({ onError: (error) => reported.push(error) });
  for (const [name, { AuthError, Reply }] of Object.entries({ latchkey, two })) {
    router
      .get(`/${name}/refused`, () => {
        throw new AuthError('ERR_USER_EXISTS', { status: 409, headers: { 'X-Name': name } });
      })
      .get(`/${name}/reply`, async () => new Reply(418, { name }, { 'X-Name': name }));
  }
  await serving(latchkey, router, async (url) => {
    for (const name of ['latchkey', 'two']) {
      const refused = await send(`${url}/${name}/refused`);
      expect([refused.status, refused.headers['x-name']]).toEqual([409, name]);
      const reply = await send(`${url}/${name}/reply`);
      expect([reply.status, reply.headers['x-name'], reply.body]).toEqual([418, name, { name }]);
    }
  });
  expect(reported).toEqual([]);
});

test('an error handler knows the AuthError of both copies by instanceof', async () => {
  for (const { Jwt } of [latchkey, two]) {
    const error = await thrownBy(() => new Jwt({ secret: SECRET }).verify('x'));
    expect(error instanceof latchkey.AuthError).toBe(true);
    expect(error instanceof two.AuthError).toBe(true);
    expect(error instanceof Error).toBe(true);
    expect(error.code).toBe('ERR_JWT_MALFORMED');
  }
  expect(new Error('x') instanceof latchkey.AuthError).toBe(false);
});

test('the guard refuses on a server of node:http, and a hook may throw any error', async () => {
  const cases = [
    [() => undefined, 401],
    [async () => Promise.reject(new two.AuthError('ERR_CREDENTIALS', { status: 403 })), 403],
    [() => readFileSync(join(folder, 'none')), 'ENOENT'],
  ];
  for (const [tokenFrom, expected] of cases) {
    const identity = () => undefined;
    const options = { secret: SECRET, authenticate: identity, identity, tokenFrom };
    const guard = new latchkey.JwtAuth(options).middleware();
    const server = createServer((request, response) => guard(request, response, (error) => {
      response.writeHead(500);
      response.end(JSON.stringify(error.code ?? 'another error'));
    }));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const { status, body } = await send(`http://127.0.0.1:${server.address().port}/`);
      expect(status === 500 ? body : status).toBe(expected);
    } finally {
      server.close();
    }
  }
});

test('a login refuses a body that another realm could not parse', async () => {
  const auth = new latchkey.JwtAuth({
    secret: SECRET,
    authenticate: () => undefined,
    identity: () => undefined,
  });
  const bodies = [{ json: () => JSON.parse('{"username":') }];
  if (globalThis.Request !== undefined) {
    bodies.push(new Request('http://x/', { method: 'POST', body: '{"username":' }));
  }
  for (const request of bodies) {
    expect((await thrownBy(() => auth.login(request)))?.code).toBe('ERR_BODY');
  }
});

test('a file store makes its folder, keeps a second store out, and opens again', async () => {
  const { JsonFileUserStore } = latchkey;
  const path = join(folder, 'missing/below/users.jsonl');
  const joe = { id: 'joe', username: 'joe', passwordHash: 'a hash', createdAt: 'today' };
  const first = await JsonFileUserStore.open(path);
  expect(await first.insert(joe)).toBe(true);
  for (const { JsonFileUserStore: Store } of [latchkey, two]) {
    const locked = await thrownBy(() => Store.open(path));
    expect([locked.code, locked instanceof latchkey.AuthError]).toEqual(['ERR_STORE_LOCKED', true]);
  }
  await first.close();
  const second = await two.JsonFileUserStore.open(path);
  expect(second.find('joe')).toEqual(joe);
  await second.close();
});

test('a file store explains an error of the system', async () => {
  const file = join(folder, 'a-file');
  writeFileSync(file, 'x');
  const error = await thrownBy(() => latchkey.JsonFileUserStore.open(join(file, 'users.jsonl')));
  expect([error.code, error.cause?.code]).toEqual(['ERR_STORE', 'ENOTDIR']);
});

// The runner prints the warning.
test('an error of Node that a handler throws is a 500, and a warning shows its message', async () => {
  const router = new latchkey.Router().get('/', () => readFileSync(join(folder, 'none')));
  await serving(latchkey, router, async (url) => expect((await send(url)).status).toBe(500));
});

test('a server with TLS takes a certificate as bytes', async () => {
  const cert = readFileSync(process.env.REALM_CERT);
  const key = new Uint8Array(readFileSync(process.env.REALM_KEY));
  const server = await latchkey.listen(new latchkey.Router(), { port: 0, tls: { cert, key } });
  expect(server.url).toMatch(/^https:/);
  await server.close();
});
