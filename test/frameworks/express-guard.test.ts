/** The guard on plain node:http. test/interop runs it in the frameworks. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { guard, type ExpressMiddleware, type GuardingAuth, type Next } from '../../src/express.ts';
import { currentIdentity } from '../../src/index.ts';
import { send, sendRaw } from '../support/app.ts';
import { authOfAnyone, JOE, TOKEN, withNodeServer, type GuardedMessage } from '../support/guard.ts';
import { serve } from '../support/middleware.ts';
import { sessionSetup } from '../support/session-guard.ts';

const Authorization = `JWT ${TOKEN}`;

test('a guard sets the user, the id of the session and the current identity', async () => {
  const { auth, logIn, live } = sessionSetup();
  const { access_token: token } = await logIn();
  for (const property of ['user', 'account'] as const) {
    const guarded = guard(auth, { property });
    const handle = (req: GuardedMessage, res: ServerResponse) => {
      req.sessionId = 'of the application';
      const show = async () => {
        await delay(1);
        const { sessionId = null } = req;
        res.end(JSON.stringify([Reflect.get(req, property), sessionId, currentIdentity()]));
      };
      guarded(req, res, show);
    };
    await withNodeServer(handle, async (_port, url) => {
      const get = (authorization: string) =>
        send(url, 'GET', undefined, { Authorization: authorization });
      assert.deepEqual((await get(`JWT ${token}`)).body, [JOE, live()[0]?.id, JOE]);
      // A value of the application never passes for the id of a session.
      assert.deepEqual((await get(Authorization)).body, [JOE, null, JOE]);
    });
    await serve(guarded, async (url, errors) => {
      assert.equal((await send(url, 'GET')).status, 401);
      assert.deepEqual(errors, []);
    });
  }
});

test('listeners on the response of a guarded request run as its user', async () => {
  const seen: unknown[] = [];
  const guarded = guard(authOfAnyone());
  const emitters: ServerResponse[] = [];
  const handle = (req: IncomingMessage, res: ServerResponse) =>
    guarded(req, res, () => {
      emitters.push(res.on('custom', () => seen.push(currentIdentity())));
      res.end();
    });
  await withNodeServer(handle, async (_port, url) => {
    assert.equal((await send(url, 'GET', undefined, { Authorization })).status, 200);
  });
  // Here no identity is current.
  emitters[0]?.emit('custom');
  assert.deepEqual([seen, currentIdentity()], [[JOE], undefined]);
});

test('a guard refuses two Authorization headers', async () => {
  await serve(guard(authOfAnyone()), async (_url, _errors, port) => {
    const get = (...lines: string[]) => {
      const head = ['GET / HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''];
      return sendRaw(port, head.join('\r\n'));
    };
    const line = `Authorization: ${Authorization}`;
    assert.match(await get(line), /^HTTP\/1\.1 299 /);
    assert.match(await get(line, line), /^HTTP\/1\.1 401 .*Token contains spaces/s);
  });
});

test('a request on which no user can be set is an error to next', async () => {
  const guarded = guard(authOfAnyone());
  const middleware: ExpressMiddleware = (req, res, next) => {
    Object.defineProperty(req, 'user', { value: 'someone else', writable: false });
    guarded(req, res, next);
  };
  await serve(middleware, async (url, errors) => {
    await send(url, 'GET', undefined, { Authorization });
    assert.match(String(errors[0]), /^TypeError: .*user/);
  });
});

test('without sessions a guard leaves the sessionId of the application as it is', async () => {
  const { auth, logIn, live } = sessionSetup();
  const ofBoth = async (guards: readonly ExpressMiddleware[], token: string) => {
    let sessionId: unknown;
    const handle = (req: GuardedMessage, res: ServerResponse) => {
      req.sessionId = 'of the application';
      const [first, second] = guards;
      first?.(req, res, () => second?.(req, res, () => {
        ({ sessionId } = req);
        res.end();
      }));
    };
    await withNodeServer(handle, async (_port, url) => {
      const headers = { Authorization: `JWT ${token}` };
      assert.equal((await send(url, 'GET', undefined, headers)).status, 200);
    });
    return sessionId;
  };
  const withSessions = guard(auth);
  const without = guard(authOfAnyone(), { property: 'account' });
  const { access_token: token } = await logIn();
  assert.equal(await ofBoth([without, without], TOKEN), 'of the application');
  assert.equal(await ofBoth([withSessions, without], token), live()[0]?.id);
});

test('a request passes only if the handler of required ran', async () => {
  const calls: GuardingAuth<object>['required'] = (handler) => async (req) =>
    handler(req, JOE, undefined);
  const REQUIRED: readonly (readonly [GuardingAuth<object>['required'], boolean])[] = [
    [calls, true],
    [() => async () => undefined, false],
    [() => async () => ({ identity: JOE, sessionId: undefined }), false],
    [(handler) => async (req) => void handler(req, JOE, undefined), false],
  ];
  for (const [required, passes] of REQUIRED) {
    const guarded = guard({ hasSessions: false, required });
    const seen: unknown[] = [];
    const middleware: ExpressMiddleware = (req, res, next) => {
      // What an earlier middleware of the application may have left there.
      Object.assign(req, { user: 'someone else' });
      guarded(req, res, (error) => {
        if (error === undefined) seen.push(Reflect.get(req, 'user'), currentIdentity());
        next(error);
      });
    };
    await serve(middleware, async (url, errors) => {
      await send(url, 'GET');
      assert.deepEqual(seen, passes ? [JOE, JOE] : []);
      if (!passes) assert.match(
        String(errors[0]),
        /^TypeError: "auth" expected a method "required"/,
      );
    });
  }
});

test('the current identity is the one found, whatever a setter makes of it', async () => {
  const guarded = guard(authOfAnyone());
  const handle = (req: IncomingMessage, res: ServerResponse) => {
    Object.defineProperty(req, 'user', { set: () => undefined, get: () => 'someone else' });
    guarded(req, res, () => res.end(JSON.stringify(currentIdentity())));
  };
  await withNodeServer(handle, async (_port, url) => {
    assert.deepEqual((await send(url, 'GET', undefined, { Authorization })).body, JOE);
  });
});

test('a guard compiles where the user is declared with undefined, as passport does', () => {
  interface Declared extends IncomingMessage {
    user?: unknown;
    account?: { readonly id: number } | undefined;
  }
  const auth: GuardingAuth<{ readonly id: number }> = {
    hasSessions: false,
    required: () => () => undefined,
  };
  const guarded: (req: Declared, res: ServerResponse, next: Next) => void =
    guard(auth, { property: 'account' });
  // Express knows a middleware by its parameters.
  assert.equal(guarded.length, 3);
});
