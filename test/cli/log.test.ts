/** The log on stderr: its lines, its first and last one, and a reader of it that ends. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isJsonLog } from '../../src/cli/log.ts';
import { send, sendRaw } from '../support/app.ts';
import { JOE } from '../support/command-client.ts';
import { LONG } from '../support/long.ts';
import {
  assertRefused,
  command,
  logLines,
  ROOT,
  run,
  serve,
  stop,
} from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

const env = { LATCHKEY_SECRET: SECRET };

describe('the format of the log', () => {
  it('is JSON if the last --log says so, whatever the other arguments are', () => {
    const JSON_LINES = [
      '--log json',
      '--log=json',
      '--log none --log json',
      '--prot 1 --log json',
      '--port --log json',
      'a-word --log json another',
    ];
    const TEXT_LINES = [
      '',
      '--log none',
      '--log json --log none',
      '--log jsonl',
      '--log',
      '--log --json',
      '--logs json',
      '-- --log json',
    ];
    const isJson = (line: string) => isJsonLog(line.split(' '));
    assert.deepEqual(JSON_LINES.filter((line) => !isJson(line)), []);
    assert.deepEqual(TEXT_LINES.filter(isJson), []);
  });
});

describe('latchkey serve without --log json', { timeout: 120_000 }, () => {
  it('says on stdout that it has stopped, and why', async () => {
    const server = await serve('serve --port 0 --users memory', { env });
    const { stdout, stderr } = await stop(server);
    assert.match(stdout, /^latchkey listens on .*\nlatchkey stopped: SIGTERM\n$/);
    assert.equal(stderr, '');
  });
});

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
    assert.deepEqual([events.shift(), events.pop()], ['start  ', 'stop  ']);
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

  it('tells of start and stop, with address, version and places, and without a password', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const server = await serve(`serve ${flags}`, { env });
    const { stdout, stderr } = await stop(server);
    assert.match(stdout, /^latchkey listens on .*\n$/);
    const [, start = {}, ...others] = logLines(stderr);
    const { time, ...fields } = start;
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
    assert.deepEqual(fields, {
      event: 'start',
      detail: `listens on ${server.url}`,
      url: server.url,
      version,
      stores: 'users and sessions in memory (lost when the server stops)',
      secrets: 'secret in LATCHKEY_SECRET',
    });
    assert.deepEqual(others.map(({ event, detail }) => [event, detail]), [['stop', 'SIGTERM']]);
  });

  it('writes warnings of Node and an uncaught error as JSON, and nothing else', async () => {
    const program = `process.on('SIGUSR2', () => {
      process.emitWarning('first\\nsecond', 'TrialWarning');
      setImmediate(() => { throw new Error('the marker'); });
    });`;
    const [node = '', ...rest] = command();
    const first = ['--import', `data:text/javascript,${encodeURIComponent(program)}`];
    const server = await serve(`serve ${flags}`, { env, command: [node, ...first, ...rest] });
    server.child.kill('SIGUSR2');
    const { code, stderr } = await server.ended;
    const [warning, error] = logLines(stderr).slice(2);
    assert.deepEqual([code, warning?.['event'], error?.['event']], [1, 'warning', 'error']);
    assert.equal(warning?.['detail'], 'TrialWarning: first\nsecond');
    assert.match(String(error?.['detail']), /^Error: the marker\n/);
  });

  it('writes an error that keeps the server from starting as JSON, also of other flags', async () => {
    const ERRORS = [
      ['--log json --port x', 2, /^--port expected .* \(see: latchkey serve --help\)$/],
      ['--log json --environment missing', 1, /^--environment: ENOENT/],
    ] as const;
    for (const [line, code, detail] of ERRORS) {
      const ended = await run(`serve ${line}`);
      const lines = logLines(ended.stderr);
      assert.deepEqual([ended.code, ended.stdout, lines.length], [code, '', 1]);
      assert.equal(lines[0]?.['event'], 'error');
      assert.match(String(lines[0]?.['detail']), detail);
    }
    assertRefused(await run('serve --log none --port x'), 2, [/--port expected/]);
  });

  it('drops lines that no process reads, instead of keeping them, and still stops', LONG, async () => {
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
