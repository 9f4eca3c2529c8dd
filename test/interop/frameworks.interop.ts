/**
 * The programs of src/auth for other frameworks, as they stand on its pages. Each compiles with
 * strict settings, serves on a socket of its own, and answers as the router does.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { send } from '../support/app.ts';
import { programs, root, rowsOf } from '../support/documents.ts';
import { assertGuarded, assertLimitsGuesses, assertServes } from '../support/guarded-program.ts';
import { assertCookies, assertEndsSession, assertSessions } from '../support/session-program.ts';
import {
  compile,
  makeUserFolder,
  output,
  removeUserFolder,
  serveProgram,
} from '../support/user-folder.ts';

const PACKAGES = join(root, 'test/interop/node_modules');

/** Packages of Express 4, which are installed under another name than in a user's folder. */
const EXPRESS_4 = { 'express': 'express4', '@types/express': '@types/express4' };

const JOE = { username: 'joe', password: 'correct horse' };

let folder = '';
let folder4 = '';

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(PACKAGES, target), path);
}

before(async () => {
  folder = await makeUserFolder(() => true);
  const installed = readdirSync(PACKAGES).filter((name) => !name.startsWith('.'));
  for (const name of installed.filter((name) => name !== 'express4')) {
    link(name, join(folder, 'node_modules', name));
  }
  // Inside the first folder, so that it finds all other packages there.
  folder4 = join(folder, 'express4');
  for (const [name, target] of Object.entries(EXPRESS_4)) {
    link(target, join(folder4, 'node_modules', name));
  }
  for (const name of ['auth.mts', 'express.mts']) {
    writeFileSync(join(folder4, name), programs.get(name) ?? '');
  }
});

after(() => removeUserFolder(folder));

test('every program of the documents compiles with strict settings', async () => {
  // The types of Koa do not compile by themselves.
  const names = [...programs.keys()].filter((name) => name !== 'accounts.mts');
  await compile(folder, names, '--skipLibCheck');
  // It declares another type of `req.user` than the others.
  await compile(folder, ['accounts.mts'], '--skipLibCheck');
  await compile(folder4, ['express.mts'], '--skipLibCheck');
});

test('in each program the identity has the type that the hook returns', async () => {
  const isTyped = (name: string, code: string) => name !== 'auth.mts' && code.includes('.username');
  const typed = [...programs].filter(([name, code]) => isTyped(name, code));
  assert.ok(typed.length >= 7);
  for (const [name, code] of typed) {
    const wrong = `wrong-${name}`;
    // The last one, because the first may be of a row of the table.
    const changed = code.replace(/\.username(?![^]*\.username)/, '.nickname');
    writeFileSync(join(folder, wrong), changed);
    const problem = "Property 'nickname' does not exist on type '.*User'";
    const stdout = new RegExp(`^${wrong}.+ error TS2339: ${problem}`);
    await assert.rejects(compile(folder, [wrong], '--skipLibCheck'), { stdout }, name);
  }
});

test('types: the user may be undefined, and a guard of another user or uncalled is refused', async () => {
  const code = programs.get('express.mts') ?? '';
  const WRONG = [
    [code.replace('req.user?.', 'req.user.'), "TS18048: 'req.user' is possibly 'undefined'"],
    [code.replace('guard(auth)', 'guard'), 'TS2769: No overload matches this call'],
    [code.replace('{ user?: User }', '{ user?: string }'), 'TS2769: No overload matches this call'],
  ] as const;
  for (const [at, folderOf] of [folder, folder4].entries()) {
    for (const [index, [program, problem]] of WRONG.entries()) {
      const name = `wrong-express-${index}.mts`;
      writeFileSync(join(folderOf, name), program);
      const stdout = RegExp(`^${name}.+ error ${problem}`);
      await assert.rejects(
        compile(folderOf, [name], '--skipLibCheck'),
        { stdout },
        `${at} ${name}`,
      );
    }
  }
});

for (const name of ['connect', 'express', 'fastify', 'hono', 'koa', 'polka']) {
  test(`${name} guards a route and logs in`, async () => {
    await serveProgram(folder, `${name}.mts`, async (url) => {
      await assertServes(url);
      await assertLimitsGuesses(url);
    });
  });
}

/** Its logins wait: that of `leaver` until its signal is aborted, the others for that one. */
const WAITING_AUTH = `
import { EventEmitter, once } from 'node:events';
import { JwtAuth } from 'latchkey';

export interface User { readonly id: number; readonly username: string }
const events = new EventEmitter();
const happened = new Map(['begun', 'left'].map((name) => [name, once(events, name)]));
export const auth = new JwtAuth({
  secret: process.env.SECRET,
  authenticate: async (username, _password, { signal }): Promise<User | undefined> => {
    await happened.get(username);
    if (username !== 'leaver') return { id: 1, username };
    events.emit('begun');
    if (signal === undefined) throw new TypeError('no signal');
    if (!signal.aborted) await once(signal, 'abort');
    events.emit('left');
    return undefined;
  },
  identity: () => undefined,
});
`;

for (const name of ['express', 'fastify', 'hono', 'koa']) {
  test(`${name}: the hook of a login is told when its client has gone`, async () => {
    const waiting = join(folder, `waiting-${name}`);
    mkdirSync(waiting);
    writeFileSync(join(waiting, 'auth.mts'), WAITING_AUTH);
    writeFileSync(join(waiting, 'web.mts'), programs.get('web.mts') ?? '');
    await serveProgram(waiting, `${name}.mts`, async (url) => {
      const logIn = (username: string, signal = AbortSignal.timeout(10_000)) =>
        fetch(`${url}/auth`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ username, password: 'x' }),
          signal,
        });
      const client = new AbortController();
      const gone = assert.rejects(logIn('leaver', client.signal), { name: 'AbortError' });
      assert.equal((await logIn('begun')).status, 200);
      client.abort();
      await gone;
      assert.equal((await logIn('left')).status, 200);
    });
  });
}

/** @returns a program with one more route, before it listens */
const withRoute = (name: string, route: string): string =>
  (programs.get(name) ?? '').replace(/^(?=await app\.listen|serve\()/m, () => `${route}\n`);

/** @returns a program with the route for a new password, which the page of sessions shows */
function withPasswordRoute(name: string): string {
  const rows = rowsOf('### Own users with sessions');
  const [, route = ''] = rows.find(([framework]) => framework?.toLowerCase() === name) ?? [];
  assert.match(route, /^`app\.post\('\/password', .+;`$/);
  return withRoute(`${name}.mts`, route.slice(1, -1))
    .replace('{ auth, ', '{ auth, renew, ')
    .replace('{ hello, ', '{ clientOf, respond, hello, ');
}

/** Asserts that a program refuses a malformed body of a new password, and sets a right one. */
async function assertRenews(url: string): Promise<void> {
  const { access_token: token } = Object((await send(`${url}/auth`, 'POST', JOE)).body);
  const headers = { Authorization: `Bearer ${token}` };
  const change = (body: unknown) => send(`${url}/password`, 'POST', body, headers);
  for (const malformed of ['marker', '{"password":"marker"']) {
    const refused = await change(malformed);
    assert.deepEqual([refused.status, refused.headers.get('error-code')], [400, 'ERR_BODY']);
  }
  const renewed = await change({ password: JOE.password, new_password: 'battery staple' });
  assert.equal(renewed.status, 200);
  assert.equal(renewed.headers.get('cache-control'), 'no-store');
  assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 401);
}

/** Refusals that Fastify makes itself, with the codes that its program gives them. */
async function refusedByFastify(url: string) {
  const ofType = { 'Content-Type': 'application/x-www-form-urlencoded' };
  return [
    [await send(`${url}/auth`, 'POST', 'username=joe', ofType), 'ERR_CONTENT_TYPE'],
    [await send(`${url}/auth`, 'POST', ''), 'ERR_BODY'],
    [await send(`${url}/%zz`, 'GET'), 'ERR_BAD_REQUEST'],
    [await send(`${url}/users/${'x'.repeat(200)}`, 'GET'), 'ERR_URL_TOO_LONG'],
  ] as const;
}

/** Sends the half of a body and leaves, once for each way in which a body can have an end. */
async function leaveEarly(url: string, path: string): Promise<void> {
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
  for (const half of [
    'Content-Length: 9\r\n\r\n{',
    'Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n',
  ]) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.end(head + half);
    await once(socket.resume(), 'close');
  }
}

test('hono: a client that leaves, and a malformed body at any route, are no errors of the server', async () => {
  const own = join(folder, 'own-route-hono');
  mkdirSync(own);
  writeFileSync(join(own, 'auth.mts'), programs.get('session-auth.mts') ?? '');
  writeFileSync(join(own, 'web.mts'), programs.get('web.mts') ?? '');
  const route = "app.post('/own', async (c) => c.json(await c.req.json()));\n" +
    "app.get('/fails', () => { throw new RangeError('of the program'); });";
  writeFileSync(join(own, 'hono.mts'), withRoute('hono.mts', route));
  await serveProgram(own, 'hono.mts', async (url, child) => {
    let logged = '';
    child.stderr?.on('data', (text) => (logged += text));
    for (const path of ['/auth', '/refresh', '/logout', '/own']) await leaveEarly(url, path);
    const malformed = await send(`${url}/own`, 'POST', '{"password":marker}');
    assert.deepEqual([malformed.status, malformed.headers.get('error-code')], [400, 'ERR_BODY']);
    assert.deepEqual((await send(`${url}/own`, 'POST', { a: 1 })).body, { a: 1 });
    assert.equal((await send(`${url}/fails`, 'GET')).status, 500);
    while (!logged.includes('of the program')) await once(child.stderr ?? assert.fail(), 'data');
    // The first line of the log, so nothing was logged before.
    assert.match(logged, /^RangeError: of the program/);
    assert.doesNotMatch(logged, /marker|aborted/);
  }, 'pipe');
});

test('hono: a test logs in by app.request, with the address as the page gives it', async () => {
  const page = readFileSync(join(root, 'src/auth/frameworks.md'), 'utf8');
  const [, env] = /gives the address in `env`:\s`([^`]+)`/.exec(page) ?? [];
  const requesting = join(folder, 'requesting-hono');
  mkdirSync(requesting);
  for (const name of ['auth.mts', 'web.mts']) {
    writeFileSync(join(requesting, name), programs.get(name) ?? '');
  }
  const code = (programs.get('hono.mts') ?? '').replace(/^serve\(.*\n/m, `
const init = { method: 'POST', body: JSON.stringify(${JSON.stringify(JOE)}) };
const reply = await app.request('/auth', init, ${env});
console.log(reply.status);
`);
  writeFileSync(join(requesting, 'hono.mts'), code);
  await compile(requesting, ['hono.mts'], '--skipLibCheck');
  const tsx = import.meta.resolve('tsx');
  assert.equal(await output(requesting, '--import', tsx, 'hono.mts'), '200\n');
});

for (const name of ['fastify', 'hono']) {
  test(`${name} refreshes and ends a session, and a new password is not logged`, async () => {
    const withSessions = join(folder, `sessions-${name}`);
    mkdirSync(withSessions);
    writeFileSync(join(withSessions, 'auth.mts'), programs.get('session-auth.mts') ?? '');
    writeFileSync(join(withSessions, 'web.mts'), programs.get('web.mts') ?? '');
    writeFileSync(join(withSessions, `${name}.mts`), withPasswordRoute(name));
    await compile(withSessions, [`${name}.mts`], '--skipLibCheck');
    await serveProgram(withSessions, `${name}.mts`, async (url, child) => {
      let logged = '';
      child.stderr?.on('data', (text) => (logged += text));
      await assertEndsSession(url);
      await assertRenews(url);
      assert.equal(logged, '');
    }, 'pipe');
  });

  test(`${name} answers every error in one shape, and logs one that is not a refusal`, async () => {
    const failing = join(folder, `failing-${name}`);
    mkdirSync(failing);
    const identity = "identity: () => { throw new Error('secret of the database'); },";
    const code = programs.get('auth.mts') ?? '';
    writeFileSync(join(failing, 'auth.mts'), code.replace(/identity: \(.*\n/, identity));
    writeFileSync(join(failing, 'web.mts'), programs.get('web.mts') ?? '');
    const route = "app.get('/users/:id', () => new Response());";
    writeFileSync(join(failing, `${name}.mts`), withRoute(`${name}.mts`, route));
    await serveProgram(failing, `${name}.mts`, async (url, child) => {
      const { access_token: token } = Object((await send(`${url}/auth`, 'POST', JOE)).body);
      const headers = { Authorization: `Bearer ${token}` };
      const long = { ...JOE, more: 'x'.repeat(2 ** 21) };
      let logged = '';
      child.stderr?.on('data', (text) => (logged += text));
      for (const [answer, code] of [
        [await send(`${url}/hello`, 'GET', undefined, headers), 'ERR_INTERNAL'],
        [await send(`${url}/nowhere`, 'GET'), 'ERR_NOT_FOUND'],
        [await send(`${url}/auth`, 'POST', '{"password":marker}'), 'ERR_BODY'],
        [await send(`${url}/auth`, 'POST', long), 'ERR_BODY_TOO_LARGE'],
        ...(name === 'fastify' ? await refusedByFastify(url) : []),
      ] as const) {
        const { status, body } = answer;
        assert.deepEqual(Object.keys(Object(body)), ['status_code', 'error', 'description']);
        assert.equal(status, Object(body).status_code);
        assert.equal(answer.headers.get('error-code'), code);
        assert.doesNotMatch(JSON.stringify(body), /secret|marker/);
      }
      assert.match(logged, /Error: secret of the database/);
      assert.doesNotMatch(logged, /marker/);
    }, 'pipe');
  });
}

test('Express 4 guards a route and logs in', async () => {
  await serveProgram(folder4, 'express.mts', assertServes);
});

test('the program of the front page guards a route in Express, and logs in', async () => {
  await serveProgram(folder, 'protect.mts', assertServes);
});

test('Express with Accounts signs up, logs in and guards a route', async () => {
  await serveProgram(folder, 'accounts.mts', async (url) => {
    const joe = { username: 'joe', password: 'correct horse' };
    const created = await send(`${url}/signup`, 'POST', joe);
    assert.deepEqual(created.body, { Status: 'Success', result: 'User created' });
    assert.equal((await send(`${url}/signup`, 'POST', joe)).status, 400);
    const { body } = await send(`${url}/auth`, 'POST', joe);
    const headers = { Authorization: `Bearer ${Reflect.get(Object(body), 'access_token')}` };
    const greeting = await send(`${url}/hello`, 'GET', undefined, headers);
    assert.deepEqual([greeting.status, greeting.body], [200, { hello: 'joe' }]);
    assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
    await assertLimitsGuesses(url);
  });
});

test('Express with sessions of own users refreshes, logs out and changes a password', async () => {
  await serveProgram(folder, 'sessions.mts', async (url) => {
    await assertServes(url);
    await assertSessions(url);
  });
});

test('a browser application keeps its refresh token in a cookie that no script reads', async () => {
  await serveProgram(folder, 'cookie-express.mts', assertCookies);
  mkdirSync(join(folder, 'public'));
  for (const name of ['index.html', 'page.mjs', 'client.mjs']) {
    writeFileSync(join(folder, 'public', name), '');
  }
  await serveProgram(folder, 'cookie.mts', async (url) => {
    const joe = { username: 'joe', password: 'correct horse' };
    assert.equal((await send(`${url}/signup`, 'POST', joe)).status, 200);
    await assertCookies(url);
  });
});

test('a handler of the Web standard guards itself', async () => {
  await serveProgram(folder, 'hono.mts', async (url) => assertGuarded(url, '/web'));
});
