/** The error middleware, and that a request is answered once. */
import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { guard, refusal, type Next } from '../../src/express.ts';
import { AuthError } from '../../src/index.ts';
import { send, sendRaw } from '../support/app.ts';
import { OtherAuthError } from '../support/copies.ts';
import { authWith, withNodeServer } from '../support/guard.ts';

const REQUEST = ['GET / HTTP/1.1', 'Host: x', 'Connection: close', '', ''].join('\r\n');
const begin = (res: ServerResponse) => void res.writeHead(200).write('begun');
const beginNothing = () => undefined;

/** Serves `refusal` for one error. What it passes on is in `passed`, and is answered with 299. */
async function refusing(
  error: unknown,
  use: (url: string, passed: unknown[], port: number) => Promise<void>,
  before: (res: ServerResponse) => void = beginNothing,
): Promise<void> {
  const passed: unknown[] = [];
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    before(res);
    refusal(error, req, res, (other) => {
      passed.push(other);
      if (!res.headersSent) res.writeHead(299);
      res.end();
    });
  };
  await withNodeServer(handle, (port, url) => use(url, passed, port));
}

test('the error middleware sends a refusal, also of another copy, and its event', async () => {
  const seen: object[] = [];
  const listener = (message: unknown) => void seen.push(Object(message));
  channel('latchkey:refusal').subscribe(listener);
  for (const error of [new AuthError('ERR_BUSY'), new OtherAuthError('ERR_BUSY')]) {
    await refusing(error, async (url, passed) => {
      const { status, body, headers } = await send(url, 'GET');
      assert.deepEqual([status, body], [503, new AuthError('ERR_BUSY').body]);
      assert.equal(headers.get('retry-after'), '5');
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.deepEqual(passed, []);
    });
  }
  channel('latchkey:refusal').unsubscribe(listener);
  assert.deepEqual(seen.map((event) => Reflect.get(event, 'code')), ['ERR_BUSY', 'ERR_BUSY']);
});

test('the event of a refusal has the route of Express, and never what a client sent', async () => {
  const seen: object[] = [];
  const listener = (message: unknown) => void seen.push(Object(message));
  channel('latchkey:refusal').subscribe(listener);
  // A route of Express may be a list or a regular expression. Without a route there is no member.
  const routes = [{ path: '/users/:id' }, { path: ['/users/:id'] }, { path: /users/ }, undefined];
  for (const route of routes) {
    const handle = (req: IncomingMessage, res: ServerResponse) => {
      Object.assign(req, { baseUrl: '/marker' }, route && { route });
      refusal(new AuthError('ERR_BUSY'), req, res, () => assert.fail());
    };
    await withNodeServer(handle, async (_port, url) => {
      assert.equal((await send(`${url}/users/marker?marker`, 'DELETE')).status, 503);
    });
  }
  channel('latchkey:refusal').unsubscribe(listener);
  const message = { code: 'ERR_BUSY', status: 503, method: 'DELETE', address: undefined };
  const withRoute = { ...message, route: '/users/:id' };
  assert.deepEqual(seen, [withRoute, message, message, message]);
});

test('the error middleware passes every other error on, unchanged', async () => {
  for (const error of [new Error('secret'), 'text', { status: 401, body: 'x' }, null]) {
    await refusing(error, async (url, passed) => {
      assert.deepEqual([(await send(url, 'GET')).status, passed], [299, [error]]);
    });
  }
});

test('the error middleware answers for body parsers, and repeats no text of theirs', async () => {
  const ofParser = (type: string, status: number) =>
    Object.assign(new Error('correct horse'), { type, status, body: 'correct horse' });
  const ERRORS = [
    ['entity.parse.failed', 'ERR_BODY'],
    ['entity.too.large', 'ERR_BODY_TOO_LARGE'],
    ['charset.unsupported', 'ERR_CONTENT_TYPE'],
    ['encoding.unsupported', 'ERR_CONTENT_TYPE'],
  ] as const;
  const warnings: unknown[] = [];
  const listener = (warning: Error) => void warnings.push(warning);
  process.on('warning', listener);
  for (const [type, code] of ERRORS) {
    await refusing(ofParser(type, 400), async (url, passed) => {
      const { status, body, headers } = await send(url, 'GET');
      const expected = new AuthError(code);
      assert.deepEqual([status, body], [expected.status, expected.body]);
      assert.equal(headers.get('error-code'), code);
      assert.deepEqual(passed, []);
    });
  }
  for (const zlibCode of ['Z_DATA_ERROR', 'ERR__ERROR_FORMAT_PADDING_2', 'ZSTD_error_x']) {
    const ofZlib = (status?: number) => Object.assign(new Error('x'), { code: zlibCode, status });
    await refusing(ofZlib(400), async (url) => {
      assert.equal((await send(url, 'GET')).headers.get('error-code'), 'ERR_BODY');
    });
    // Without a status the program itself has decompressed something.
    await refusing(ofZlib(), async (url) => assert.equal((await send(url, 'GET')).status, 299));
  }
  process.off('warning', listener);
  assert.deepEqual(warnings, []);
  const other = ofParser('entity.verify.failed', 403);
  await refusing(other, async (url, passed) => {
    assert.deepEqual([(await send(url, 'GET')).status, passed], [299, [other]]);
  });
  const parsed = ofParser('entity.parse.failed', 400);
  await refusing(parsed, async (_url, passed, port) => {
    await sendRaw(port, REQUEST);
    assert.deepEqual(passed, [parsed]);
  }, begin);
});

test('the error middleware may be registered twice, as Express then calls it', async () => {
  const error = new Error('of the application');
  const passed: unknown[] = [];
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    // Express and Connect have one `next` for all layers of a request.
    const layers = [refusal, refusal];
    const next: Next = (other) => {
      const layer = layers.shift();
      if (layer !== undefined) return layer(other, req, res, next);
      passed.push(other);
      res.writeHead(299).end();
    };
    next(error);
  };
  await withNodeServer(handle, async (_port, url) => {
    assert.deepEqual([(await send(url, 'GET')).status, passed], [299, [error]]);
  });
});

test('the error middleware passes the errors of many requests on to one function', async () => {
  let passedCount = 0;
  const shared: Next = () => void (passedCount += 1);
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    refusal(new Error('of the application'), req, res, shared);
    res.end();
  };
  await withNodeServer(handle, async (_port, url) => {
    for (let count = 0; count < 10; count += 1) await send(url, 'GET');
  });
  assert.equal(passedCount, 10);
});

test('a refusal after the reply has begun is passed on, and nothing of it is sent', async () => {
  const error = new AuthError('ERR_BUSY');
  await refusing(error, async (_url, passed, port) => {
    const reply = await sendRaw(port, REQUEST);
    assert.match(reply, /^HTTP\/1\.1 200 .*begun/s);
    assert.doesNotMatch(reply, /503/);
    assert.deepEqual(passed, [error]);
  }, begin);
});

/** Serves one error as Polka does, which calls `onError` again for an error given to `next`. */
async function asPolka(error: object, use: (port: number) => Promise<void>): Promise<void> {
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    const next: Next = (passed) => refusal(passed, req, res, next);
    refusal(error, req, res, next);
  };
  await withNodeServer(handle, use);
}

test('where no other handler takes an error, it is a 500 without details', async () => {
  const warned = once(process, 'warning');
  await asPolka(new Error('secret'), async (port) => {
    const reply = await sendRaw(port, REQUEST);
    assert.match(reply, /^HTTP\/1\.1 500 .*The server failed to answer this request/s);
    assert.doesNotMatch(reply, /secret/);
  });
  assert.match(String(await warned), /Error: secret/);
});

test('where no other handler takes an error of the client, it has its status', async () => {
  const malformed = Object.assign(new SyntaxError('correct horse'), { status: 400 });
  const statuses = [
    [malformed, 400, 'ERR_BAD_REQUEST'],
    [{ status: 413 }, 413, 'ERR_BAD_REQUEST'],
    [{ code: 404 }, 404, 'ERR_NOT_FOUND'],
    // The server's own errors are told apart for no client.
    [{ code: 200 }, 500, 'ERR_INTERNAL'],
    [{ status: 503 }, 500, 'ERR_INTERNAL'],
  ] as const;
  for (const [error, status, code] of statuses) {
    await asPolka(error, async (port) => {
      const reply = await sendRaw(port, REQUEST);
      const head = `^HTTP/1\\.1 ${status} .*\r\nError-Code: ${code}\r\n`;
      assert.match(reply, RegExp(`${head}.*"status_code":${status}`, 's'));
      assert.doesNotMatch(reply, /correct horse/);
    });
  }
});

test('an error for which no reply can be sent becomes a warning, and is not thrown', async () => {
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    const broken = Object.create(res, {
      writeHead: { value: () => assert.fail('the response is broken') },
    });
    Reflect.apply(refusal, undefined, [{ code: 404 }, req, broken]);
    res.end('not thrown');
  };
  const warned = once(process, 'warning');
  await withNodeServer(handle, async (_port, url) => {
    assert.equal((await send(url, 'GET')).body, 'not thrown');
  });
  assert.match(String(await warned), /the response is broken/);
});

test('where no other handler takes an error, a reply that has begun is broken off', async () => {
  const LAST_CHUNK = /\r\n0\r\n/;
  // A warning too for an error of the client, since no reply tells of it.
  const ofClient = Object.assign(new Error('late'), { status: 400 });
  for (const failure of [new Error('late'), ofClient, undefined]) {
    const warned = failure && once(process, 'warning');
    const handle = (req: IncomingMessage, res: ServerResponse) => {
      const next: Next = (error) => refusal(error, req, res, next);
      // The error comes when the client has the beginning.
      res.writeHead(200).write('begun', () => (failure ? next(failure) : res.end()));
    };
    await withNodeServer(handle, async (port) => {
      const reply = await sendRaw(port, REQUEST);
      assert.match(reply, /^HTTP\/1\.1 200 .*begun/s);
      if (failure) assert.doesNotMatch(reply, LAST_CHUNK);
      else assert.match(reply, LAST_CHUNK);
    });
    if (warned) assert.match(String(await warned), /Error: late/);
  }
});

test('a refusal that cannot be sent is a 500 in Polka, and elsewhere goes to next', async () => {
  const unsendable = new AuthError('ERR_BUSY', { body: 1n });
  await asPolka(unsendable, async (port) => {
    assert.match(await sendRaw(port, REQUEST), /^HTTP\/1\.1 500 /);
  });
  await refusing(unsendable, async (url, passed) => {
    assert.equal((await send(url, 'GET')).status, 299);
    assert.ok(passed[0] instanceof TypeError);
  });
});

test('a server whose onError gets no next is answered too', async () => {
  const handle = (req: IncomingMessage, res: ServerResponse) =>
    Reflect.apply(refusal, undefined, [new Error('secret'), req, res]);
  await withNodeServer(handle, async (_port, url) => {
    assert.equal((await send(url, 'GET')).status, 500);
  });
});

test('the error behind a refusal becomes a warning, and no client sees it', async () => {
  const cause = new Error('the database');
  const fail = () => Promise.reject(new AuthError('ERR_STORE', { cause }));
  const guarded = guard(authWith({ tokenFrom: fail }));
  const warned = once(process, 'warning');
  const handle = (req: IncomingMessage, res: ServerResponse) =>
    guarded(req, res, () => assert.fail());
  await withNodeServer(handle, async (_port, url) => {
    const { status, body } = await send(url, 'GET');
    assert.deepEqual([status, body], [503, new AuthError('ERR_STORE').body]);
  });
  assert.match(String(await warned), /Error: the database/);
});

test('refusal throws when it is called without arguments, and has four parameters', () => {
  assert.throws(() => Reflect.apply(refusal, undefined, []), {
    name: 'TypeError',
    message: '"refusal" expected to be passed as app.use(refusal), got called',
  });
  // Express and Connect know an error middleware by them.
  assert.equal(refusal.length, 4);
});
