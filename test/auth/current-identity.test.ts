/**
 * A handler sees the user of its own request and never that of another, in all that it starts and
 * in the listeners of its request and response.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { currentIdentity, Router, type HttpRequest } from '../../src/index.ts';
import { send, sendRaw, withServer } from '../support/app.ts';
import {
  authOfAnyone,
  authWith,
  JOE,
  jwt,
  request,
  TOKEN,
  withNodeServer,
  type GuardedMessage,
  type Options,
} from '../support/guard.ts';
import { randomFrom } from '../support/random.ts';

type IdentityCase = readonly [identity: unknown, claim: unknown, options?: Options];

test('an identity of any shape reaches handlers, hooks and currentIdentity unchanged', async () => {
  const named = (identity: unknown) => ({ claims: () => ({ identity }) });
  class Person {
    readonly id = 7;
  }
  const objects = [JOE, { id: 0 }, { id: '' }, new Person()];
  const IDENTITIES: readonly IdentityCase[] = [
    ...objects.map((identity): IdentityCase => [identity, identity.id]),
    ...['joe', '', 0, -1.5].map((identity): IdentityCase => [identity, identity]),
    [{ name: 'Joe' }, 'joe', named('joe')],
    [true, 'yes', named('yes')],
    [['joe'], 'list', named('list')],
  ];
  for (const [identity, claim, options] of IDENTITIES) {
    const seen: unknown[] = [];
    const auth = authWith({
      authenticate: () => identity,
      identity: (claims) => (claims.identity === claim ? identity : undefined),
      loginReply: (token, given) => {
        seen.push(given);
        return token;
      },
      ...options,
    });
    const authorization = `JWT ${await auth.login(request())}`;
    const look = (_request: unknown, given: unknown) => seen.push(given, currentIdentity());
    for (const handler of [auth.required(look), auth.optional(look)]) {
      await handler(request({ authorization }));
    }
    seen.push(await auth.authorize(authorization));
    assert.deepEqual([seen.length, new Set(seen)], [6, new Set([identity])]);
  }
});

test('currentIdentity is right across await, timers and streams, else undefined', async () => {
  const seen: unknown[] = [];
  const look = () => void seen.push(currentIdentity());
  const handler = async (given: HttpRequest) => {
    look();
    await given.json();
    look();
    await new Promise<void>((resolve) => setTimeout(() => resolve(look()), 1));
    await new Promise<void>((resolve) => setImmediate(() => resolve(look())));
    await new Promise<void>((resolve) => process.nextTick(() => resolve(look())));
    for await (const _chunk of Readable.from(['a'])) look();
    await once(new PassThrough().on('data', look).end('a'), 'end');
    await Promise.all([delay(2).then(look), delay(1).then(look)]);
    await authWith().optional(look)(request());
    look();
  };
  // A query of many database libraries begins only when its `then` is called.
  const lazy = () => ({ then: (resolve: (value: unknown) => void) => resolve(look()) });
  const auth = authWith();
  const app = new Router()
    .post('/required', auth.required(handler))
    .post('/optional', auth.optional(handler))
    .post('/lazy/required', auth.required(lazy))
    .post('/lazy/optional', auth.optional(lazy))
    .post('/open', look);
  await withServer(app, async ({ url }) => {
    const post = (path: string, Authorization = `JWT ${TOKEN}`) =>
      send(url + path, 'POST', {}, { Authorization });
    for (const path of ['/required', '/optional']) {
      await post(path);
      // The handler itself made one request without a token.
      const expected = [...Array.from({ length: 9 }, () => JOE), undefined, JOE];
      assert.deepEqual(seen.splice(0), expected, path);
      await post(`/lazy${path}`);
      assert.deepEqual(seen.splice(0), [JOE], path);
    }
    look();
    await post('/open');
    await post('/optional', '');
    await post('/required', '');
    assert.deepEqual([seen.length, new Set(seen)], [13, new Set([undefined])]);
  });
});

test('of a thousand interleaved requests none sees the identity of another', async () => {
  const random = randomFrom(7);
  const auth = authWith({
    identity: async ({ identity }) => {
      await delay(random() * 9);
      return identity;
    },
  });
  const check = async (_request: unknown, identity?: unknown) => {
    for (let round = 0; round < 3; round += 1) {
      assert.equal(currentIdentity(), identity);
      await delay(random() * 9);
    }
    return currentIdentity() ?? 'anonymous';
  };
  const optional = auth.optional(check);
  const app = new Router()
    .get('/0', auth.required(check))
    .get('/1', optional)
    .get('/2', optional)
    .get('/3', (given) => check(given));
  // Of four requests the third has no token, and the route of the fourth has no guard.
  const requestOf = (index: number) => {
    const isAnonymous = index % 4 === 2;
    const token = isAnonymous ? [] : [`Authorization: JWT ${jwt.sign({ identity: index })}`];
    return [`GET /${index % 4} HTTP/1.1`, 'Host: x', ...token, '', ''].join('\r\n');
  };
  const sendHundred = async (port: number, socket: number) => {
    const requests = Array.from({ length: 100 }, (_, index) => requestOf(100 * socket + index));
    requests.push('GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const answer = await sendRaw(port, requests.join(''));
    const bodies = [...answer.matchAll(/\r\n\r\n(.*)\n/g)].slice(0, 100);
    return bodies.map(([, body = '']): unknown => JSON.parse(body));
  };
  await withServer(app, async ({ port }) => {
    // Node answers pipelined requests in order, but handles all of them at the same time.
    const sockets = Array.from({ length: 10 }, (_, socket) => sendHundred(port, socket));
    const answers = (await Promise.all(sockets)).flat();
    const expected = Array.from({ length: 1_000 }, (_, index) =>
      (index % 4 < 2 ? index : 'anonymous'));
    assert.deepEqual(answers, expected);
  });
});

/** A pipelined request with the token of an identity. */
function requestWith(identity: unknown, requestLine: string, ...more: string[]): string {
  const token = jwt.sign({ identity });
  return [requestLine, 'Host: x', `Authorization: JWT ${token}`, ...more].join('\r\n');
}

test('a pipelined request without a guard has no identity', async () => {
  const guarded = authOfAnyone().middleware();
  const handle = (req: GuardedMessage, res: ServerResponse) => {
    const answer = () => res.end(`${currentIdentity() ?? 'nobody'}\n`);
    if (req.url === '/open') answer();
    else void guarded(req, res, answer);
  };
  await withServer({ handle }, async ({ port }) => {
    const get = requestWith('joan', 'GET / HTTP/1.1', '', '');
    const open = ['GET /open HTTP/1.1', 'Host: x', '', ''].join('\r\n');
    const last = open.replace('Host', 'Connection: close\r\nHost');
    const answers = await sendRaw(port, get + open + get + last);
    assert.deepEqual(answers.match(/joan|nobody/g), ['joan', 'nobody', 'joan', 'nobody']);
  });
});

test('currentIdentity is right in the events of the request itself', async () => {
  const auth = authOfAnyone();
  const read = (message: IncomingMessage, answer: (seen: unknown[]) => void) => {
    const seen: unknown[] = [];
    const look = () => void seen.push(currentIdentity());
    message.on('data', look).on('end', () => {
      look();
      answer(seen);
    });
  };
  const guarded = auth.middleware();
  const handler = ({ message }: HttpRequest) => new Promise((resolve) => read(message, resolve));
  const router = new Router()
    .post('/required', auth.required(handler))
    .post('/optional', auth.optional(handler))
    .post('/open', handler);
  const handle = (req: GuardedMessage, res: ServerResponse) => {
    if (req.url !== '/middleware') return router.handle(req, res);
    const answer = (seen: unknown[]) => res.end(`${JSON.stringify(seen)}\n`);
    return guarded(req, res, () => read(req, answer));
  };
  await withNodeServer(handle, async (port) => {
    for (const path of ['/middleware', '/required', '/optional', '/open']) {
      // All on one connection, whose events node:http emits in one async context.
      const post = (identity: unknown, ...more: string[]) =>
        requestWith(identity, `POST ${path} HTTP/1.1`, ...more, 'Content-Length: 4', '', 'body');
      const requests = [post(1), post('joe'), post(2, 'Connection: close')];
      const answers = await sendRaw(port, requests.join(''));
      const bodies = [...answers.matchAll(/^\[.*\]$/gm)].map(([body]): unknown => JSON.parse(body));
      const expected = path === '/open' ? [null, null, null] : [1, JOE, 2];
      assert.deepEqual(bodies, expected.map((identity) => [identity, identity]), path);
    }
  });
});

// node:http keeps the second response until the first is sent, and then finishes it from there.
test('currentIdentity is right in the events of a response, also of a pipelined one', async () => {
  const guarded = authOfAnyone().middleware();
  const seen: unknown[] = [];
  let endFirst = (): unknown => assert.fail('the first request came second');
  const handle = (req: GuardedMessage, res: ServerResponse) =>
    guarded(req, res, () => {
      for (const event of ['finish', 'close']) {
        res.on(event, () => seen.push([req.identity, event, currentIdentity()]));
      }
      if (req.identity === 1) {
        endFirst = () => res.end('first');
        return;
      }
      res.end('second');
      endFirst();
    });
  await withNodeServer(handle, async (port) => {
    const get = (identity: unknown, ...more: string[]) =>
      requestWith(identity, 'GET / HTTP/1.1', ...more, '', '');
    const answers = await sendRaw(port, get(1) + get(2, 'Connection: close'));
    assert.match(answers, /first.*second/s);
  });
  const expected = [1, 2].flatMap((identity) =>
    ['close', 'finish'].map((event) => [identity, event, identity]));
  assert.deepEqual(seen.toSorted(), expected);
});

test('currentIdentity is right when a client leaves a stream of events', async () => {
  const guarded = authOfAnyone().middleware();
  let hear = (_identity: unknown): void => undefined;
  const heard = new Promise((resolve) => {
    hear = resolve;
  });
  const handle = (req: GuardedMessage, res: ServerResponse) =>
    guarded(req, res, () => {
      req.on('close', () => hear(currentIdentity()));
      res.write('event: hello\n\n');
    });
  await withNodeServer(handle, async (_port, url) => {
    const controller = new AbortController();
    const headers = { Authorization: `JWT ${TOKEN}` };
    await fetch(url, { headers, signal: controller.signal });
    controller.abort();
    assert.equal(await heard, JOE);
  });
});

test('when two guards run in a row, the identity of the second one counts', async () => {
  const first = authOfAnyone({ identity: () => 'first' }).middleware();
  const second = authOfAnyone().middleware();
  const answer = (req: GuardedMessage, res: ServerResponse) => {
    const seen: unknown[] = [req.identity, currentIdentity()];
    req.on('data', () => seen.push(currentIdentity()));
    req.on('end', () => res.end(JSON.stringify(seen)));
  };
  const handle = (req: GuardedMessage, res: ServerResponse) =>
    first(req, res, () => second(req, res, () => answer(req, res)));
  await withNodeServer(handle, async (_port, url) => {
    const { body } = await send(url, 'POST', {}, { Authorization: `JWT ${TOKEN}` });
    assert.deepEqual(body, [JOE, JOE, JOE]);
  });
});

test('two guards in a row leave `emit` as it is until a listener is added', async () => {
  const first = authOfAnyone().middleware();
  const second = authOfAnyone().middleware();
  const carriers: [isReplaced: boolean, hasListener: boolean][] = [];
  const note = (req: GuardedMessage, hasListener: boolean) =>
    carriers.push([Object.hasOwn(req, 'emit'), hasListener]);
  const handle = (req: GuardedMessage, res: ServerResponse) =>
    first(req, res, () =>
      second(req, res, () => {
        note(req, false);
        req.on('end', () => undefined);
        note(req, true);
        res.end();
      }));
  await withNodeServer(handle, async (_port, url) => {
    await send(url, 'GET', undefined, { Authorization: `JWT ${TOKEN}` });
  });
  assert.deepEqual(carriers, [[false, false], [true, true]]);
});
