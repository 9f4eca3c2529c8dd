/** Which logout has a body: over HTTP/1.1 and HTTP/2, behind parsers and adapters, on the Web. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Http2ServerRequest } from 'node:http2';
import { request as clientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { AuthError, HttpRequest, type AuthRequest } from '../../src/index.ts';
import { withNodeServer } from '../support/guard.ts';
import { sessionSetup } from '../support/session-guard.ts';
import { sendRaw } from '../support/app.ts';

/** What a logout did: the code of the refusal, or which session has ended. */
type Outcome = 'by header' | 'by body' | 'ERR_REFRESH_BODY' | 'ERR_BODY' | 'ERR_CONTENT_TYPE';

/**
 * Logs out with the access token of one session in the header, and in the body, if it asks for
 * one, the refresh token of another.
 */
async function outcomeOf(
  logOut: (
    auth: (request: AuthRequest) => Promise<string>,
    header: string,
    body: string,
  ) => unknown,
): Promise<string> {
  const setup = sessionSetup();
  const byHeader = await setup.logIn();
  const byBody = await setup.logIn();
  const [first, second] = setup.live();
  let outcome = '';
  const answer = async (request: AuthRequest) => {
    outcome = await setup.auth.logout(request).then(
      () => 'done',
      (error: unknown) => (error instanceof AuthError ? error.code : String(error)),
    );
    return outcome;
  };
  const json = JSON.stringify({ refresh_token: byBody.refresh_token });
  await logOut(answer, `Bearer ${byHeader.access_token}`, json);
  const ids = setup.live().map(({ id }) => id);
  if (outcome !== 'done') {
    assert.deepEqual(ids, [first?.id, second?.id], `${outcome}, and nothing has ended`);
    return outcome;
  }
  assert.equal(ids.length, 1);
  return ids[0] === second?.id ? 'by header' : 'by body';
}

const JSON_TYPE = 'Content-Type: application/json';
const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const HTTP1: readonly (readonly [head: (body: string) => string, expected: Outcome])[] = [
  [() => '\r\n', 'by header'],
  [() => `${JSON_TYPE}\r\n\r\n`, 'by header'],
  [() => 'Content-Length: 0\r\n\r\n', 'by header'],
  [() => `${JSON_TYPE}\r\nContent-Length: 0\r\n\r\n`, 'by header'],
  [(body) => `${JSON_TYPE}\r\nContent-Length: ${body.length}\r\n\r\n${body}`, 'by body'],
  [(body) => `${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(body)}`, 'by body'],
  [(body) => `Content-Length: ${body.length}\r\n\r\n${body}`, 'ERR_CONTENT_TYPE'],
  [() => `${JSON_TYPE}\r\nContent-Length: 1\r\n\r\n{`, 'ERR_BODY'],
  [() => `${JSON_TYPE}\r\nContent-Length: 1\r\n\r\n `, 'ERR_BODY'],
  [() => `${JSON_TYPE}\r\nContent-Length: 2\r\n\r\n{}`, 'ERR_REFRESH_BODY'],
  [() => `${JSON_TYPE}\r\nContent-Length: 4\r\n\r\nnull`, 'ERR_REFRESH_BODY'],
  [() => `${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n`, 'ERR_BODY'],
  [(body) => `Transfer-Encoding: chunked\r\n\r\n${chunked(body)}`, 'ERR_CONTENT_TYPE'],
  // As a proxy sends it for a request of HTTP/2 without a body.
  [() => 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'by header'],
  [() => `${JSON_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'by header'],
];

test('over HTTP/1.1 a logout has a body if a header says so, and a wrong one ends nothing', async () => {
  for (const [rest, expected] of HTTP1) {
    const outcome = await outcomeOf((logOut, header, body) =>
      withNodeServer(
        (req, res) => void logOut(new HttpRequest(req)).then((text) => res.end(text)),
        async (port) => {
          const head =
            `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${header}\r\n`;
          await sendRaw(port, head + rest(body));
        },
      ),
    );
    assert.equal(outcome, expected, rest('BODY'));
  }
});

test('a chunked body counts if it has a byte, before or after the logout begins', async () => {
  for (const isLate of [false, true]) {
    for (const [content, expected] of [['', 'by header'], ['BODY', 'by body']] as const) {
      const outcome = await outcomeOf((logOut, authorization, body) => {
        let begin = () => {};
        const begun = new Promise<void>((resolve) => (begin = resolve));
        return withNodeServer(
          async (req, res) => {
            while (!isLate && !req.complete) {
              await new Promise((resolve) => setImmediate(resolve));
            }
            const answer = logOut(new HttpRequest(req));
            begin();
            res.end(await answer);
          },
          async (_port, url) => {
            const headers = { authorization, 'content-type': 'application/json' };
            const req = clientRequest(url, { method: 'POST', headers });
            const replied = once(req, 'response');
            req.flushHeaders();
            if (isLate) await begun;
            req.end(content === 'BODY' ? body : content);
            const [res] = (await replied) as [IncomingMessage];
            await once(res.resume(), 'end');
          },
        );
      });
      assert.equal(outcome, expected, `${content}, ${isLate}`);
    }
  }
});

test('over HTTP/2 a logout has a body if a byte of it arrives', async () => {
  const rows: readonly (readonly [body: string | undefined, type: boolean, expected: Outcome])[] = [
    [undefined, false, 'by header'],
    ['', false, 'by header'],
    ['', true, 'by header'],
    ['BODY', true, 'by body'],
    ['BODY', false, 'ERR_CONTENT_TYPE'],
    ['{', true, 'ERR_BODY'],
    ['{}', true, 'ERR_REFRESH_BODY'],
  ];
  for (const isLate of [false, true]) {
    for (const [content, hasType, expected] of rows) {
      const outcome = await outcomeOf(async (logOut, header, body) => {
        const server = createServer((req: Http2ServerRequest, res) => {
          const request = new HttpRequest(req as unknown as IncomingMessage);
          void logOut(request).then((text) => res.end(text));
        });
        await once(server.listen(0, '127.0.0.1'), 'listening');
        const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        try {
          const headers = {
            ':method': 'POST',
            'authorization': header,
            ...(hasType && { 'content-type': 'application/json' }),
          };
          const stream = client.request(headers, { endStream: content === undefined });
          if (content !== undefined) {
            // The body comes in a later packet than the headers.
            if (isLate) await new Promise((resolve) => client.ping(resolve));
            stream.end(content === 'BODY' ? body : content);
          }
          stream.resume();
          await once(stream, 'end');
        } finally {
          client.close();
          server.close();
        }
      });
      assert.equal(outcome, expected, `${content}, ${hasType}, ${isLate}`);
    }
  }
});

test('a Request of the Web has a body if it has text', async () => {
  const rows: readonly (readonly [body: string | undefined, expected: Outcome])[] = [
    [undefined, 'by header'],
    ['', 'by header'],
    ['BODY', 'by body'],
    ['{', 'ERR_BODY'],
    [' ', 'ERR_BODY'],
    ['null', 'ERR_REFRESH_BODY'],
  ];
  for (const [content, expected] of rows) {
    for (const isWrapped of [false, true]) {
      const outcome = await outcomeOf((logOut, authorization, body) => {
        const request = new Request('http://localhost/logout', {
          method: 'POST',
          headers: { authorization },
          ...(content !== undefined && { body: content === 'BODY' ? body : content }),
        });
        if (!isWrapped) return logOut(request as AuthRequest);
        // As the request of Hono is.
        return logOut({
          raw: request,
          header: (name: string) => request.headers.get(name) ?? undefined,
          json: () => request.json(),
          text: () => request.text(),
        } as AuthRequest);
      });
      assert.equal(outcome, expected, String(content));
    }
  }
});

test('behind a body parser or an adapter, its body counts', async () => {
  const parsed = (body: string) => JSON.parse(body) as object;
  const type = { 'content-type': 'application/json' };
  const empty: readonly unknown[] = [undefined, null, {}, '', Buffer.alloc(0)];
  const rows: readonly (readonly [message: (body: string) => object, expected: Outcome])[] = [
    ...empty.map((body) => [() => ({ body }), 'by header'] as const),
    [() => ({ body: {}, headers: { 'content-length': '0' } }), 'by header'],
    [(body) => ({ body: parsed(body) }), 'by body'],
    [(body) => ({ body }), 'by body'],
    [(body) => ({ body: Buffer.from(body) }), 'by body'],
    [(body) => ({ body: parsed(body), headers: { 'content-length': '9' } }), 'by body'],
    [() => ({ body: {}, headers: { 'content-length': '2' } }), 'ERR_REFRESH_BODY'],
    [() => ({ body: { token: 'x' } }), 'ERR_REFRESH_BODY'],
    [() => ({ body: '{' }), 'ERR_BODY'],
    [
      () => ({
        get body() {
          throw Object.assign(new Error('Invalid JSON'), { statusCode: 400 });
        },
      }),
      'ERR_BODY',
    ],
  ];
  for (const [index, [make, expected]] of rows.entries()) {
    const outcome = await outcomeOf((logOut, authorization, body) => {
      const given = make(body) as { headers?: object };
      const headers = { authorization, ...type, ...given.headers };
      const message = Object.defineProperties({ headers }, {
        body: Object.getOwnPropertyDescriptor(given, 'body') ?? {},
      });
      return logOut(new HttpRequest(message as unknown as IncomingMessage));
    });
    assert.equal(outcome, expected, `row ${index}`);
  }
});

test('a program that has read the body says so with json', async () => {
  const rows: readonly (readonly [json: (body: string) => unknown, expected: Outcome])[] = [
    [() => undefined, 'by header'],
    [(body) => JSON.parse(body), 'by body'],
    [() => null, 'ERR_REFRESH_BODY'],
    [() => ({}), 'ERR_REFRESH_BODY'],
    [() => JSON.parse('{'), 'ERR_BODY'],
  ];
  for (const [json, expected] of rows) {
    for (const shape of ['header', 'headers'] as const) {
      const outcome = await outcomeOf((logOut, authorization, body) => {
        const own =
          shape === 'header' ? { header: () => authorization } : { headers: { authorization } };
        return logOut({ ...own, json: () => json(body) } as AuthRequest);
      });
      assert.equal(outcome, expected);
    }
  }
});
