/** The log on stderr: its lines, and what happens when no process reads them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { send, sendRaw } from '../support/app.ts';
import { JOE } from '../support/command-client.ts';
import { logLines, serve, stop } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

const env = { LATCHKEY_SECRET: SECRET };

describe('latchkey serve --log json', { concurrency: 4, timeout: 120_000 }, () => {
  const flags = '--port 0 --users memory --scrypt-cost 1 --log json';

  it('writes each event as one line of JSON, and a client cannot inject a line', async () => {
    const server = await serve(`serve ${flags} --trust-proxy 1`, { env });
    const logIn = (user: object, address: string) => {
      return send(`${server.url}/auth`, 'POST', user, { 'X-Forwarded-For': address });
    };
    const user = { ...JOE, username: 'ñandú' };
    await send(`${server.url}/signup`, 'POST', user, { 'X-Forwarded-For': '2001:db8::1' });
    await logIn(user, '10.0.0.1');
    const injection = '","event":"login"}\n{"event":"login","id":"root"}\u2028\u009b2J';
    await logIn({ username: injection, password: injection }, '1.2.3.4"}');
    const headers = { Authorization: 'JWT {"event":"login"}' };
    await send(`${server.url}/hello`, 'GET', undefined, headers);
    for (let index = 0; index < 12; index += 1) {
      await logIn({ username: 'unknown', password: 'the marker' }, '10.0.0.2');
    }
    const { stderr } = await stop(server);
    assert.doesNotMatch(stderr, /[^ -~\n]|marker|root/);
    const events = logLines(stderr).map(({ event, id, code, address, kind }) => {
      return [event, id ?? code ?? kind, address].join(' ');
    });
    assert.match(String(events.shift()), /^warning /);
    const throttled = ['throttle login 10.0.0.2', 'refusal ERR_THROTTLED 10.0.0.2'];
    assert.deepEqual(events, [
      'signup ñandú 2001:db8::1',
      'login ñandú 10.0.0.1',
      'refusal ERR_CREDENTIALS 127.0.0.1',
      'refusal ERR_JWT_MALFORMED 127.0.0.1',
      ...Array<string>(10).fill('refusal ERR_CREDENTIALS 10.0.0.2'),
      ...throttled,
      ...throttled,
    ]);
  });

  it('drops lines that no process reads, instead of keeping them, and still stops', async () => {
    const { child, url, port, output, ended } = await serve(`serve ${flags}`, { env });
    const request = 'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n';
    const lastRequest = 'GET /hello HTTP/1.0\r\n\r\n';
    const logManyLines = async () => {
      const answers = await sendRaw(port, `${request.repeat(15_000)}${lastRequest}`, 60_000);
      assert.equal(answers.match(/HTTP\/1\.1 401 /g)?.length, 15_001);
    };
    child.stderr.pause();
    await logManyLines();
    child.stderr.resume();
    for (let index = 0; !output.stderr.includes('"signup"'); index += 1) {
      await send(`${url}/signup`, 'POST', { ...JOE, username: `user${index}` });
    }
    const refusals = logLines(output.stderr).filter(({ event }) => event === 'refusal').length;
    assert.ok(refusals > 1000 && refusals < 15_001, `${refusals} lines`);

    child.stderr.pause();
    await logManyLines();
    child.kill('SIGTERM');
    await once(child, 'exit');
    child.stderr.resume();
    assert.equal((await ended).code, 0);
  });
});
