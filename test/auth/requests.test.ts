/** Which objects each guard accepts as a request, and what its hooks get of them. */
import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { AuthError, currentIdentity, HttpRequest, type HeaderSource } from '../../src/index.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { authWith, JOE, jwt, refusal, TAMPERED, TOKEN, type Auth } from '../support/guard.ts';

const KIND = "a request object that is not Node's own";

/** A message of node:http with these headers, as the parser of node:http fills it. */
function nodeMessage(headers: readonly [string, string][], url = '/'): IncomingMessage {
  const message = new IncomingMessage(new Socket());
  message.url = url;
  message.rawHeaders = headers.flat();
  for (const [name, value] of headers) message.headers[name.toLowerCase()] ??= value;
  return message;
}

type Doors = Readonly<Record<string, (auth: Auth, request: object) => Promise<unknown>>>;

/** Each way to the guard. Resolves to the identity, or rejects with the refusal. */
const DOORS: Doors = {
  authorize: (auth, request) => auth.authorize(request as HeaderSource),
  required: async (auth, request) => auth.required((_request, user) => user)(request as never),
  optional: async (auth, request) => auth.optional((_request, user) => user)(request as never),
  middleware: (auth, request) => new Promise((resolve, reject) => {
    const writeHead = () => undefined;
    const end = (body: string) => reject(JSON.parse(body));
    const next = (error: unknown) =>
      (error === undefined ? resolve(currentIdentity()) : reject(error));
    auth.middleware()(request as never, { writeHead, end }, next);
  }),
};

/** Requests of many makers, with the headers and the target that are given. */
const MAKERS: Readonly<Record<string, (headers: [string, string][], url: string) => object>> = {
  'a message of node:http': (headers, url) => nodeMessage(headers, url),
  'an HttpRequest': (headers, url) => new HttpRequest(nodeMessage(headers, url)),
  'an HttpRequest over headers alone': (headers, url) =>
    new HttpRequest({ headers: Object.fromEntries(headers), url } as unknown as IncomingMessage),
  'a message with members that a middleware added': (headers, url) => {
    const other = { url: '/other', headers: { 'authorization': 'JWT a', 'x-token': 'a' } };
    return Object.assign(nodeMessage(headers, url), { message: other, raw: other, req: other });
  },
  'a message without rawHeaders': (headers, url) => ({ headers: Object.fromEntries(headers), url }),
  'a message with empty rawHeaders': (headers, url) =>
    ({ rawHeaders: [], headers: Object.fromEntries(headers), url }),
  'rawHeaders alone': (headers, url) => ({ rawHeaders: headers.flat(), url }),
  'lists of values': (headers, url) =>
    ({ headers: Object.fromEntries(headers.map(([name, value]) => [name, [value]])), url }),
  'a Request of the Web standard': (headers, url) =>
    new Request(`http://x${url}`, { headers }),
  'a wrapper with raw, as of Fastify': (headers, url) => {
    const raw = nodeMessage(headers, url);
    return { raw, headers: raw.headers, url };
  },
  'a wrapper with req, as of Koa': (headers, url) => {
    const req = nodeMessage(headers, url);
    return { req, headers: req.headers, header: req.headers, url };
  },
  'a method header beside headers, as of Express': (headers, url) => {
    const message = nodeMessage(headers, url);
    return Object.assign(message, { header: (name: string) => message.headers[name] });
  },
  'a method header and raw, as of Hono': (headers, url) => {
    const raw = new Request(`http://x${url}`, { headers });
    return { raw, url: raw.url, header: (name: string) => raw.headers.get(name) ?? undefined };
  },
};

/** The middleware gets messages, and sets their identity. */
const isOfDoor = (door: string, maker: string) =>
  door !== 'middleware' || !/HttpRequest|Hono/.test(maker);

async function throughEachDoor(
  auth: Auth,
  headers: [string, string][],
  url: string,
  judge: (outcome: Promise<unknown>, what: string) => Promise<void>,
): Promise<void> {
  for (const [door, open] of Object.entries(DOORS)) {
    for (const [maker, make] of Object.entries(MAKERS)) {
      if (!isOfDoor(door, maker)) continue;
      await judge(open(auth, make(headers, url)), `${door}: ${maker}`);
    }
  }
}

test(`${KIND}: each guard finds the token in it`, async () => {
  const auth = authWith();
  const passes = async (outcome: Promise<unknown>, what: string) =>
    assert.equal(await outcome, JOE, what);
  const isRefused = async (outcome: Promise<unknown>, what: string) =>
    assert.rejects(outcome, what);
  for (const name of ['authorization', 'Authorization', 'AUTHORIZATION']) {
    await throughEachDoor(auth, [['host', 'x'], [name, `JWT ${TOKEN}`]], '/', passes);
    await throughEachDoor(auth, [['host', 'x'], [name, `JWT ${TAMPERED}`]], '/', isRefused);
  }
});

test('two Authorization headers are refused by each guard', async () => {
  const auth = authWith();
  const twice: [string, string][] = [
    ['authorization', `JWT ${TOKEN}`],
    ['Authorization', `JWT ${TOKEN}`],
  ];
  await throughEachDoor(auth, twice, '/', async (outcome, what) => {
    await assert.rejects(outcome, { description: 'Token contains spaces' }, what);
  });
});

test('a token that an earlier middleware moved into the headers counts for each guard', async () => {
  for (const [door, open] of Object.entries(DOORS)) {
    for (const isWrapped of [false, door !== 'middleware']) {
      const message = nodeMessage([['Host', 'x'], ['Cookie', TOKEN]]);
      message.headers.authorization = `JWT ${message.headers.cookie}`;
      const request = isWrapped ? new HttpRequest(message) : message;
      assert.equal(await open(authWith(), request), JOE, door);
      message.rawHeaders.push('Authorization', 'JWT a', 'Authorization', 'JWT b');
      await assert.rejects(open(authWith(), request), door);
    }
  }
});

test('tokenFrom gets the same header and message from each guard', async () => {
  const fromQuery = authWith({
    tokenFrom: ({ message }) =>
      new URL(message?.url ?? '', 'http://x').searchParams.get('access_token'),
  });
  const fromHeader = authWith({ tokenFrom: ({ header }) => header('x-Token') });
  const fromCookie = authWith({
    tokenFrom: (request) => /token=([^;]*)/.exec(request.header('Cookie') ?? '')?.[1],
  });
  const passes = async (outcome: Promise<unknown>, what: string) =>
    assert.equal(await outcome, JOE, what);
  await throughEachDoor(fromQuery, [['host', 'x']], `/a?access_token=${TOKEN}`, passes);
  await throughEachDoor(fromHeader, [['X-Token', TOKEN]], '/', passes);
  await throughEachDoor(fromCookie, [['Cookie', `a=b; token=${TOKEN}`]], '/', passes);
  for (const auth of [fromQuery, fromHeader, fromCookie]) {
    const url = `/a?access_token=${TAMPERED}`;
    await throughEachDoor(auth, [['host', 'x']], url, async (outcome, what) => {
      if (what.startsWith('optional') && auth !== fromQuery) assert.equal(await outcome, undefined);
      else await assert.rejects(outcome, what);
    });
  }
});

test('decode gets the header and the message of the request from each guard', async () => {
  const seen: unknown[] = [];
  const auth = authWith({
    decode: (token, { header, message }) => {
      seen.push([header('X-Tenant'), message?.url?.endsWith('/a')]);
      if (header('x-tenant') !== 'red') throw new AuthError('ERR_JWT_ISSUER');
      return jwt.verify(token);
    },
  });
  const authorization = `JWT ${TOKEN}`;
  for (const tenant of ['red', 'blue']) {
    const headers: [string, string][] = [['Authorization', authorization], ['X-Tenant', tenant]];
    await throughEachDoor(auth, headers, '/a', async (outcome, what) => {
      if (tenant === 'red') assert.equal(await outcome, JOE, what);
      else await assert.rejects(outcome, { description: 'Invalid issuer' }, what);
      assert.deepEqual(seen.pop(), [tenant, true], what);
    });
  }
  // The value of a header alone has neither.
  await assert.rejects(auth.authorize(authorization), refusal('ERR_JWT_ISSUER'));
  assert.deepEqual(seen, [[undefined, undefined]]);
});

test('tokenFrom gets the message itself, or none for the value of a header', async () => {
  const given: unknown[] = [];
  const auth = authWith({
    tokenFrom: ({ message, header }) => {
      given.push(message);
      return header('authorization')?.slice(4);
    },
  });
  const message = nodeMessage([['Authorization', `JWT ${TOKEN}`]]);
  const handled = auth.required((request, user) => [request, user]);
  const request = new HttpRequest(message);
  assert.deepEqual(await handled(request), [request, JOE]);
  await auth.authorize(request);
  await auth.authorize(message);
  await DOORS['middleware']?.(auth, message);
  await auth.authorize(`JWT ${TOKEN}`);
  assert.deepEqual(given, [message, message, message, message, undefined]);
  const bare = { url: '/?a', method: 'GET' } as IncomingMessage;
  await assert.rejects(auth.authorize(new HttpRequest(bare)), refusal('ERR_AUTHORIZATION_MISSING'));
  assert.equal(given.at(-1), bare);
});

test('a method header of any object is called on it, and may return a list', async () => {
  const auth = authWith({ tokenFrom: ({ header }) => header('X-Token') });
  const foreign = {
    message: { headers: {} },
    values: [TOKEN],
    header(this: { values: string[] }, _name: string) {
      return this.values as unknown as string;
    },
  };
  assert.equal(await auth.authorize(foreign), JOE);
  assert.equal(await auth.required((_request, user) => user)(foreign), JOE);
  foreign.values.push(TOKEN);
  await assert.rejects(auth.authorize(foreign), refusal('ERR_JWT_SIGNATURE'));
});

test('two values of Authorization are refused if a method header and headers differ', async () => {
  const Authorization = `JWT ${TOKEN}`;
  const passed = (header: string | undefined, headers: object) =>
    authWith().authorize({ headers, header: () => header } as never);
  const headers = { Authorization };
  assert.equal(await passed(Authorization, headers), JOE);
  assert.equal(await passed(undefined, headers), JOE);
  assert.equal(await passed(Authorization, {}), JOE);
  await assert.rejects(passed(`${Authorization}, JWT b`, headers), {
    description: 'Token contains spaces',
  });
  await assert.rejects(passed('JWT b', headers), { description: 'Token contains spaces' });
});

test('a value that is not a request is a TypeError of each guard', async () => {
  const expected = '"request" expected an object with "headers" or a method "header"';
  const message = new RegExp(`^${expected}, or the value of Authorization, got `);
  for (const value of NOT_STRINGS.filter((any) => any !== null && any !== undefined)) {
    for (const door of ['authorize', 'required', 'optional']) {
      const outcome = DOORS[door]?.(authWith(), value as object);
      await assert.rejects(outcome ?? Promise.resolve(), { name: 'TypeError', message }, door);
    }
  }
});

test('a guarded handler takes a Request of the Web standard, or a frozen request', async () => {
  const headers = { Authorization: `JWT ${TOKEN}` };
  const greet = authWith().required((request: Request) => [request.url, currentIdentity()]);
  assert.deepEqual(await greet(new Request('http://x/a', { headers })), ['http://x/a', JOE]);
  const refused = async () => greet(new Request('http://x/a'));
  await assert.rejects(refused, refusal('ERR_AUTHORIZATION_MISSING'));
  const frozen = Object.freeze({ headers: Object.freeze(headers) });
  const identityOf = authWith().required((_request: typeof frozen, user) => user);
  assert.equal(await identityOf(frozen), JOE);
});

test(`${KIND}: the hook tokenFrom must check whether a message has headers`, async () => {
  const auth = authWith({
    tokenFrom: ({ message }) => {
      // @ts-expect-error: a message may have `rawHeaders` alone.
      assert.throws(() => message?.headers['x-token'], TypeError);
      return message?.headers?.['x-token'] as string | undefined ?? TOKEN;
    },
  });
  const headerless = { rawHeaders: ['X-Token', TOKEN] };
  assert.equal(await auth.authorize(headerless as never), JOE);
});
