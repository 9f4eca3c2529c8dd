/**
 * What the router and the command log of an error: its name, message and stack. Every other
 * property and every cause of the errors here holds a marker, which must not appear in any log.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { textOfError } from '../src/error-text.ts';
import { AuthError, MemoryUserStore, Router } from '../src/index.ts';
import { fromOtherRealm, OtherAuthError } from './support/copies.ts';
import { emptyFolder, ROOT, serve } from './support/run-command.ts';
import { SECRET } from './support/tokens.ts';
import { send, withApp, withServer } from './support/app.ts';

const JOE = { username: 'joe', password: 'the marker 4711' };

/** An error as a database throws it, with a request in its cause. */
const failure = (message: string): Error =>
  Object.assign(
    new Error(message, { cause: Object.assign(new Error('the marker 4711'), { body: JOE }) }),
    {
      code: '23514',
      detail: 'Failing row contains (joe, the marker 4711)',
      values: ['the marker 4711'],
      request: JOE,
    },
  );

/** The warnings that Node prints while a function runs. */
async function warningsOf(use: () => Promise<void>): Promise<string[]> {
  const printed: string[] = [];
  const onWarning = (warning: Error) =>
    void printed.push(String(warning.stack), JSON.stringify(warning));
  process.on('warning', onWarning);
  try {
    await use();
    await new Promise(setImmediate);
  } finally {
    process.off('warning', onWarning);
  }
  return printed;
}

test('a router that has no onError warns of the message and the stack, and of nothing else', async () => {
  const stackless = Object.assign(failure('without a stack'), {
    stack: { marker: 'the marker 4711' },
  });
  const rows: readonly [thrown: unknown, expected: RegExp, status: number][] = [
    [failure('it broke'), /Error: it broke\n +at /, 500],
    [
      new AuthError('ERR_STORE', { cause: failure('the disk is full') }),
      /Error: the disk is full\n +at /,
      503,
    ],
    [
      new AuthError('ERR_STORE', { cause: 'the marker 4711' }),
      /a string was thrown in place of an error/,
      503,
    ],
    [stackless, /Error: without a stack/, 500],
    [new AggregateError([failure('inner')], 'outer'), /AggregateError: outer/, 500],
    ['the marker 4711', /a string was thrown in place of an error/, 500],
    [JOE, /an object was thrown in place of an error/, 500],
    [undefined, /undefined was thrown in place of an error/, 500],
  ];
  for (const [thrown, expected, status] of rows) {
    const app = new Router().get('/', () => Promise.reject(thrown));
    const ask = () =>
      withServer(app, async ({ url }) => {
        const answer = await send(url, 'GET');
        assert.equal(answer.status, status);
        assert.doesNotMatch(JSON.stringify(answer.body), /marker|full|broke/);
      });
    const printed = await warningsOf(ask);
    assert.match(printed.join('\n'), expected);
    assert.doesNotMatch(printed.join('\n'), /marker|Failing row/);
  }
});

test('a refusal with a cause is reported once, and one without a cause is not', async () => {
  const refusal = new AuthError('ERR_STORE', { cause: failure('the disk is full') });
  const users = Object.assign(new MemoryUserStore(), { insert: () => Promise.reject(refusal) });
  const reports: unknown[] = [];
  await withApp({ users, onError: (error) => reports.push(error) }, async ({ url }) => {
    assert.equal(
      (await send(`${url}/signup`, 'POST', { ...JOE, password: 'correct horse' })).status,
      503,
    );
    assert.equal(reports.length, 1);
    assert.equal(reports[0], refusal);
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 401);
    assert.equal((await send(`${url}/none`, 'GET')).status, 404);
    assert.equal(reports.length, 1);
  });
  const bare = Object.assign(new MemoryUserStore(), {
    insert: () => Promise.reject(new AuthError('ERR_STORE')),
  });
  await withApp({ users: bare, onError: (error) => reports.push(error) }, async ({ url }) => {
    assert.equal(
      (await send(`${url}/signup`, 'POST', { ...JOE, password: 'correct horse' })).status,
      503,
    );
    assert.equal(reports.length, 1);
  });
});

test('a response that another listener has already sent stays as it is, and the process goes on', async () => {
  const reported: unknown[] = [];
  const onRejection = (error: unknown) => void reported.push(error);
  process.on('unhandledRejection', onRejection);
  const router = new Router({ onError: (error) => reported.push(error) }).get('/', () => 'second');
  const server = createServer((message, response) => {
    response.end('first');
    router.handle(message, response);
  });
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const warnings = await warningsOf(async () => {
      const { status, body } = await send(`http://127.0.0.1:${port}/`, 'GET');
      assert.deepEqual([status, body], [200, 'first']);
      await new Promise(setImmediate);
    });
    assert.equal(reported.length, 1);
    assert.equal(Object(reported[0]).code, 'ERR_HTTP_HEADERS_SENT');
    assert.match(warnings.join(), /ERR_HTTP_HEADERS_SENT/);
  } finally {
    process.off('unhandledRejection', onRejection);
    server.close();
  }
});

/**
 * Loaded into the command before it starts. Its stores throw, and its signal handlers throw an
 * error, or reject with one, that nothing catches.
 */
const FAULTS = `
import { AuthError } from '${pathToFileURL(join(ROOT, 'src/errors.ts'))}';
import { MemoryUserStore } from '${pathToFileURL(join(ROOT, 'src/users/memory.ts'))}';
const JOE = { username: 'joe', password: 'the marker 4711' };
const failure = (message) => Object.assign(
  new Error(message, { cause: Object.assign(new Error('the marker 4711'), { body: JOE }) }),
  { code: '23514', detail: 'Failing row contains (joe, the marker 4711)', request: JOE },
);
MemoryUserStore.prototype.find = (id) => {
  if (id === 'ann') return undefined;
  if (id === 'text') throw 'the marker 4711';
  throw failure('the store broke');
};
MemoryUserStore.prototype.insert = async () => {
  throw new AuthError('ERR_STORE', { cause: failure('the disk is full') });
};
process.on('SIGUSR2', () => { throw failure('nothing catches this'); });
process.on('SIGWINCH', () => void Promise.reject(failure('nothing catches that')));
`;

for (const log of ['none', 'json']) {
  test(`the command logs of an error the message and the stack, and of nothing else: --log ${log}`, async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'faults.mjs'), FAULTS);
    const imports = ['--import', import.meta.resolve('tsx'), '--import', join(cwd, 'faults.mjs')];
    const command = [process.execPath, ...imports, '--', join(ROOT, 'src/cli/main.ts')];
    const flags = `serve --port 0 --users memory --scrypt-cost 1 --log ${log}`;
    for (const [signal, last] of [
      ['SIGUSR2', 'nothing catches this'],
      ['SIGWINCH', 'nothing catches that'],
    ] as const) {
      const { child, url, ended } = await serve(flags, {
        cwd,
        env: { LATCHKEY_SECRET: SECRET },
        command,
      });
      assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 500);
      assert.equal((await send(`${url}/auth`, 'POST', { ...JOE, username: 'text' })).status, 500);
      assert.equal((await send(`${url}/signup`, 'POST', { ...JOE, username: 'ann' })).status, 503);
      child.kill(signal);
      const { code, stderr } = await ended;
      assert.equal(code, 1);
      for (const word of ['the store broke', 'a string was thrown', 'the disk is full', last]) {
        assert.equal(stderr.split(word).length, 2, `${word}: ${stderr}`);
      }
      assert.match(stderr, /faults\.mjs/, 'the stack is there');
      assert.doesNotMatch(stderr, /marker|Failing row|23514/);
    }
  });
}

test('a member of an AggregateError that is not an error is not shown: it may be a secret', () => {
  const error = new AggregateError(['the marker 4711', new Error('refused')], 'outer');
  const text = textOfError(error);
  assert.match(text, /a string, refused$/);
  assert.doesNotMatch(text, /4711/);
});

test('what another realm or another copy made: an error and the cause of a refusal are shown', () => {
  const foreign = fromOtherRealm<Error>('new TypeError("it broke")');
  assert.match(textOfError(foreign), /^TypeError: it broke\n +at /);
  const refusal = new OtherAuthError('ERR_STORE', { cause: foreign });
  assert.match(textOfError(refusal), /^TypeError: it broke\n/);
  const aggregate = fromOtherRealm('new AggregateError([new Error("refused")], "outer")');
  assert.match(textOfError(aggregate), /^AggregateError: outer[^]*\nrefused$/);
  assert.equal(
    textOfError(fromOtherRealm('{ message: "the marker 4711" }')),
    'an object was thrown in place of an error',
  );
});
