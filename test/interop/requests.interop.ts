/**
 * Requests that serverless adapters, test libraries and frameworks make in place of a message of
 * node:http: the tutorial application and a guarded Express application answer them alike.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import express from 'express';
import express4 from 'express4';
import Fastify from 'fastify';
import Koa from 'koa';
import { createMocks, createRequest } from 'node-mocks-http';
import polka from 'polka';
import serverless from 'serverless-http';
import {
  AuthError,
  createApp,
  currentIdentity,
  HttpRequest,
  JwtAuth,
  MemoryUserStore,
  type JwtAuthOptions,
  type Router,
} from '../../src/index.ts';
import { cheapPasswords, send } from '../support/app.ts';
import { withNodeServer } from '../support/guard.ts';
import { SECRET } from '../support/tokens.ts';

const KIND = "a request object that is not Node's own";
const require = createRequire(import.meta.url);
/** The package under fastify.inject. */
const inject = require('light-my-request') as typeof import('light-my-request').inject;
const serverlessExpress = require('@vendia/serverless-express') as (options: object) => Invoke;

type Invoke = (event: object, context: object) => Promise<unknown>;
type Answer = readonly [status: number, body: unknown];
/** Sends a request to an application, in the way of one adapter. */
type Send = (method: string, url: string, body?: object, headers?: object) => Promise<Answer>;

const LOGIN = { username: 'joe', password: 'correct horse' };
const GREETING = { Status: 'Success', result: 'Hello joe' };
const JSON_TYPE = { 'Content-Type': 'application/json' };
/** An adapter that waits for an event which never comes would hang. */
const OPTIONS = { timeout: 20_000 };

const tutorial = (): Router =>
  createApp({ secret: SECRET, users: new MemoryUserStore(), passwords: cheapPasswords() });

/** An event of API Gateway v1 (REST API), whose names keep their letter case. */
const eventOfV1 = (method: string, url: string, body?: object, headers: object = {}): object => {
  const { pathname, searchParams } = new URL(url, 'http://x');
  const query = Object.fromEntries(searchParams);
  const lists = Object.entries(query).map(([name, value]) => [name, [value]]);
  return {
    resource: '/{proxy+}',
    httpMethod: method,
    path: pathname,
    queryStringParameters: query,
    multiValueQueryStringParameters: Object.fromEntries(lists),
    headers: { Host: 'x', ...JSON_TYPE, ...headers },
    multiValueHeaders: null,
    requestContext: { identity: { sourceIp: '192.0.2.1' }, requestId: 'a' },
    body: body === undefined ? null : JSON.stringify(body),
    isBase64Encoded: false,
  };
};

/** An event of API Gateway v2 (HTTP API), whose names are in lower case. */
const eventOfV2 = (method: string, url: string, body?: object, headers: object = {}): object => {
  const { pathname, search } = new URL(url, 'http://x');
  const named = Object.entries({ host: 'x', ...JSON_TYPE, ...headers });
  const text = JSON.stringify(body);
  return {
    version: '2.0',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    cookies: [],
    headers: Object.fromEntries(named.map(([name, value]) => [name.toLowerCase(), value])),
    requestContext: { http: { method, path: pathname, sourceIp: '192.0.2.1' }, requestId: 'a' },
    body: text === undefined ? '' : Buffer.from(text).toString('base64'),
    isBase64Encoded: true,
  };
};

/** @returns the answer in the result of a Lambda function */
function answerOf(result: unknown): Answer {
  const { statusCode, body } = Object(result);
  return [Number(statusCode), JSON.parse(String(body))];
}

type App = (req: never, res: never) => unknown;

/** The adapters that call an application of node:http with objects of their own. */
const ADAPTERS: Readonly<Record<string, (app: App) => Send>> = {
  'serverless-http, API Gateway v1': (app) => async (...request) =>
    answerOf(await serverless(app as never)(eventOfV1(...request), {})),
  'serverless-http, API Gateway v2': (app) => async (...request) =>
    answerOf(await serverless(app as never)(eventOfV2(...request), {})),
  '@vendia/serverless-express, API Gateway v1': (app) => {
    const invoke = serverlessExpress({ app });
    return async (...request) => answerOf(await invoke(eventOfV1(...request), {}));
  },
  '@vendia/serverless-express, API Gateway v2': (app) => {
    const invoke = serverlessExpress({ app });
    return async (...request) => answerOf(await invoke(eventOfV2(...request), {}));
  },
  'light-my-request': (app) => async (method, url, payload, headers) => {
    const options = { method, url, headers, ...(payload && { payload }) };
    return answerOf(await inject(app as never, options as never));
  },
  'node-mocks-http': (app) => (method, url, body, headers) =>
    new Promise((resolve) => {
      const { EventEmitter } = require('node:events') as typeof import('node:events');
      const request = { method, url, body, headers: { ...JSON_TYPE, ...headers } };
      const { req, res } = createMocks(request as never, { eventEmitter: EventEmitter });
      res.on('end', () => resolve([res.statusCode, JSON.parse(res._getData())]));
      app(req as never, res as never);
    }),
};

/** Signs up, logs in and greets, and refuses what must be refused. */
async function assertTutorial(sent: Send, what: string): Promise<void> {
  const ok = { Status: 'Success', result: 'User created' };
  assert.deepEqual(await sent('POST', '/signup', LOGIN), [200, ok], what);
  const [status, reply] = await sent('POST', '/auth', LOGIN);
  assert.equal(status, 200, what);
  const token = String(Object(reply).access_token);
  const greet = (headers: object) => sent('GET', '/hello', undefined, headers);
  for (const name of ['Authorization', 'authorization']) {
    assert.deepEqual(await greet({ [name]: `JWT ${token}` }), [200, GREETING], what);
    assert.equal((await greet({ [name]: `JWT ${token}x` }))[0], 401, what);
  }
  assert.equal((await greet({}))[0], 401, what);
  assert.equal((await sent('POST', '/auth', { ...LOGIN, password: 'wrong' }))[0], 401, what);
  assert.equal((await sent('GET', '/nowhere'))[0], 404, what);
}

for (const [name, adapt] of Object.entries(ADAPTERS)) {
  test(`${KIND}: the tutorial application answers ${name}`, OPTIONS, async () => {
    await assertTutorial(adapt(tutorial().handle as never), name);
  });
}

const BASE: JwtAuthOptions<string> = {
  secret: SECRET,
  authenticate: (username, password) => password === LOGIN.password && username,
  identity: ({ identity }) => String(identity),
};

/** A guard that also takes a token from the query. */
const auth = (): JwtAuth<string> =>
  new JwtAuth<string>({
    ...BASE,
    tokenFrom: ({ header, message }) =>
      header('authorization')?.replace(/^JWT /, '') ??
      new URL(message?.url ?? '', 'http://x').searchParams.get('access_token'),
  });

/** Applications with one login and four guarded routes, behind a body parser or not. */
function expressApp(create: typeof express, isParsed: boolean): App {
  const guard = auth();
  const app = create();
  if (isParsed) app.use(create.json());
  app.post('/auth', (req, res, next) => {
    guard.login(new HttpRequest(req)).then((reply) => res.json(reply), next);
  });
  const mounted = create.Router();
  mounted.get('/middleware', guard.middleware(), (_req, res) => {
    res.json({ hello: currentIdentity<string>() });
  });
  mounted.get('/request', (req, res, next) => {
    guard.authorize(new HttpRequest(req)).then((hello) => res.json({ hello }), next);
  });
  mounted.get('/message', (req, res, next) => {
    guard.authorize(req).then((hello) => res.json({ hello }), next);
  });
  const required = guard.required((_request: HttpRequest, hello) => ({ hello }));
  mounted.get('/required', (req, res, next) => {
    Promise.resolve(required(new HttpRequest(req))).then((reply) => res.json(reply), next);
  });
  app.use('/api', mounted);
  app.use(((error: unknown, _req: unknown, res: express.Response, next: (e: unknown) => void) => {
    if (!(error instanceof AuthError)) return next(error);
    res.status(error.status).json(error.body);
  }) as express.ErrorRequestHandler);
  return app as never;
}

async function assertGuarded(sent: Send, what: string): Promise<void> {
  const [status, reply] = await sent('POST', '/auth', LOGIN);
  assert.equal(status, 200, `${what}: ${JSON.stringify(reply)}`);
  const token = String(Object(reply).access_token);
  for (const door of ['middleware', 'request', 'message', 'required']) {
    const url = `/api/${door}`;
    const hello = { hello: 'joe' };
    const headers = { Authorization: `JWT ${token}` };
    assert.deepEqual(await sent('GET', url, undefined, headers), [200, hello], `${what} ${door}`);
    const query = `${url}?access_token=${token}`;
    assert.deepEqual(await sent('GET', query), [200, hello], `${what} ${door}, query`);
    assert.equal((await sent('GET', `${query}x`))[0], 401, `${what} ${door}, bad query`);
    assert.equal((await sent('GET', url))[0], 401, `${what} ${door}, no token`);
  }
  assert.equal((await sent('POST', '/auth', { ...LOGIN, password: 'wrong' }))[0], 401, what);
}

/** The twin of all adapters: the application on a socket. */
function overSocket(app: App): Send {
  return async (method, url, body, headers) => {
    let answer: Answer = [0, undefined];
    await withNodeServer(app as never, async (_port, base) => {
      const got = await send(base + url, method, body, { ...headers });
      answer = [got.status, got.body];
    });
    return answer;
  };
}

for (const [version, create] of Object.entries({ express, express4 })) {
  for (const [name, adapt] of Object.entries({ ...ADAPTERS, 'a socket': overSocket })) {
    // It replaces prototypes of Express for the whole process.
    if (name === 'light-my-request') continue;
    test(`${KIND}: in ${version}, each guard and the login answer ${name}`, OPTIONS, async () => {
      for (const isParsed of [false, true]) {
        const what = isParsed ? 'behind express.json()' : 'without a body parser';
        await assertGuarded(adapt(expressApp(create as typeof express, isParsed)), what);
      }
    });
  }
}

test('a Router works in Express and in Polka, also behind a body parser', OPTIONS, async () => {
  const parsed = express().use(express.json()).use(tutorial().handle as never);
  const mounted = express().use('/api', tutorial().handle as never);
  const bare = express4().use(tutorial().handle as never);
  const parsed4 = express4().use(express4.json()).use(tutorial().handle as never);
  const polkaApp = polka().use(tutorial().handle as never);
  await assertTutorial(overSocket(parsed as never), 'Express behind express.json()');
  await assertTutorial(overSocket(bare as never), 'Express 4');
  await assertTutorial(overSocket(parsed4 as never), 'Express 4 behind express.json()');
  await assertTutorial(overSocket(polkaApp.handler as never), 'Polka');
  const sent = overSocket(mounted as never);
  await assertTutorial((method, url, ...rest) => sent(method, `/api${url}`, ...rest), 'mounted');
});

test(`${KIND}: login reads the body that text, raw and other parsers leave`, OPTIONS, async () => {
  const type = '*/*';
  for (const parser of [express.json(), express.text({ type }), express.raw({ type })]) {
    const app = express().use(parser).use(tutorial().handle as never);
    await assertTutorial(overSocket(app as never), 'Express');
  }
});

test(`${KIND}: a mock of node-mocks-http is a request as it is`, OPTIONS, async () => {
  const headers = { ...JSON_TYPE, authorization: 'JWT x' };
  const guard = auth();
  const mock = createRequest({ method: 'POST', url: '/auth', headers, body: LOGIN });
  const reply = await guard.login(new HttpRequest(mock));
  const { access_token: token } = Object(reply) as { access_token: string };
  const empty = createRequest({ method: 'POST', url: '/auth', headers });
  await assert.rejects(guard.login(new HttpRequest(empty)), { code: 'ERR_CREDENTIALS' });
  const guarded = createRequest({ headers: { Authorization: `JWT ${token}` } });
  assert.equal(await guard.authorize(new HttpRequest(guarded)), 'joe');
  assert.equal(await guard.authorize(guarded), 'joe');
  assert.equal(new HttpRequest(guarded).address, 'unknown');
});

test(`${KIND}: authorize accepts what Fastify and Koa call a request`, OPTIONS, async () => {
  const guard = new JwtAuth<string>(BASE);
  const { access_token: token } = Object(await guard.login({ json: () => LOGIN }));
  const fastify = Fastify();
  const refused = (error: unknown) => (error instanceof AuthError ? error.code : String(error));
  const judge = (request: Parameters<typeof guard.authorize>[0]) =>
    guard.authorize(request).catch(refused);
  fastify.get('/', async (request) => ({ is: await judge(request) }));
  const koa = new Koa();
  koa.use(async (context) => {
    context.body = { is: [await judge(context), await judge(context.request)] };
  });
  const headers = { authorization: `JWT ${token}` };
  const twice = { authorization: [`JWT ${token}`, `JWT ${token}`] };
  for (const [given, fits] of [[headers, 'joe'], [twice, 'ERR_AUTHORIZATION_SPACES']] as const) {
    const { body } = await fastify.inject({ url: '/', headers: given as never });
    assert.deepEqual(JSON.parse(body), { is: fits });
    const answer = await inject(koa.callback(), { url: '/', headers: given as never });
    assert.deepEqual(JSON.parse(answer.body), { is: [fits, fits] });
  }
});
