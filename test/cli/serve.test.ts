/**
 * The server as a process that has to hold: stopped under load, behind a proxy, over TLS, with its log read and unread.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  appendFile, copyFile, cp, readdir, readFile, rename, rm, stat, truncate, writeFile,
} from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { Agent as TlsAgent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { kill } from 'node:process';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import type { TlsOptions } from '../../src/index.ts';
import { FIRST, SECOND } from '../support/certificates.ts';
import { lockFile } from '../../src/journal/file-lock.ts';
import { assertRefused, commandIn, emptyFolder, ROOT, run, serve } from '../support/run-command.ts';
import { childOf, stageOf } from '../support/user-files.ts';
import { SECRET } from '../support/tokens.ts';
import { send, sendRaw } from '../support/app.ts';

const env = { LATCHKEY_SECRET: SECRET };
const JOE = { username: 'joe', password: 'correct horse' };

/** Sends JSON by an agent of one's own. */
async function post(url: string, body: object, agent: Agent) {
  const ask = url.startsWith('https') ? httpsRequest : httpRequest;
  const headers = { 'Content-Type': 'application/json' };
  const request = ask(url, { method: 'POST', agent, headers, ...{ rejectUnauthorized: false } });
  request.end(JSON.stringify(body));
  const [response] = await once(request, 'response');
  // Read now: a socket that is given back knows it no more.
  const certificate = (response.socket as Partial<TLSSocket>).getPeerCertificate?.().subject.CN;
  return { status: Number(response.statusCode), body: await text(response), certificate };
}

/** The lines that a server has written to stderr, but those for people. */
const linesOf = (stderr: string): Record<string, unknown>[] =>
  stderr.split('\n').filter((line) => line !== '' && !line.startsWith('latchkey: ')).map((line) => JSON.parse(line));

describe('latchkey serve', { concurrency: 4, timeout: 120_000 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`at ${signal} under load cuts no request, loses no signup that it answered, and ends with 0`, async () => {
      const cwd = await emptyFolder();
      const { child, url, ended } = await serve('serve --port 0 --throttle off --scrypt-cost 1', { cwd, env });
      const agent = new Agent({ keepAlive: true, maxSockets: 32 });
      const answered: string[] = [];
      const unanswered: string[] = [];
      const signUpForEver = async (client: number) => {
        for (let index = 0; ; index += 1) {
          const username = `user-${client}-${index}`;
          const answer = await post(`${url}/signup`, { ...JOE, username }, agent).catch((error) => String(error.code));
          if (typeof answer === 'string') return unanswered.push(answer);
          assert.equal(answer.status, 200);
          assert.equal(answer.body, '{"Status":"Success","result":"User created"}\n');
          answered.push(username);
        }
      };
      const load = Promise.all(Array.from({ length: 32 }, (_, client) => signUpForEver(client)));
      while (answered.length < 300) await delay(10);
      child.kill(signal);
      await load;
      assert.equal((await ended).code, 0);
      // Whoever came too late was not let in. Nobody was let in and then cut off.
      assert.deepEqual(new Set(unanswered), new Set(['ECONNREFUSED']));
      const lines = (await readFile(join(cwd, 'latchkey-data/users.jsonl'), 'utf8')).split('\n');
      const kept = new Set(lines.filter((line) => line.includes('"insert"')).map((line) => JSON.parse(line).id));
      assert.deepEqual(answered.filter((username) => !kept.has(username)), []);
      agent.destroy();
    });
  }

  it('at SIGHUP takes another certificate, keeps its connections, and the old one where the new is none', async () => {
    const cwd = await emptyFolder();
    const put = async ({ cert, key }: TlsOptions) => {
      await writeFile(join(cwd, 'cert.pem'), cert);
      await writeFile(join(cwd, 'key.pem'), key);
    };
    await put(FIRST);
    const flags = '--port 0 --host 0.0.0.0 --users memory --scrypt-cost 1 --tls-cert cert.pem --tls-key key.pem';
    const { child, url, output, ended } = await serve(`serve ${flags} --log json`, { cwd, env });
    const local = url.replace('0.0.0.0', '127.0.0.1');
    const agent = new TlsAgent({ keepAlive: true, maxSockets: 1 });
    const reload = async (word: RegExp) => {
      const already = output.stderr.length;
      child.kill('SIGHUP');
      while (!word.test(output.stderr.slice(already))) await delay(10);
    };
    assert.deepEqual(await post(`${local}/signup`, JOE, agent), {
      status: 200, body: '{"Status":"Success","result":"User created"}\n', certificate: 'latchkey-test-1',
    });
    const fresh = async () => (await post(`${local}/auth`, JOE, new TlsAgent())).certificate;
    await put({ ...FIRST, cert: SECOND.cert });
    await reload(/"error".*the old certificate goes on.*PEM/);
    assert.equal(await fresh(), 'latchkey-test-1');
    await put(SECOND);
    await reload(/"tls".*read the certificate again/);
    assert.equal(await fresh(), 'latchkey-test-2');
    assert.equal((await post(`${local}/auth`, JOE, agent)).certificate, 'latchkey-test-1', 'the connection that was');
    agent.destroy();
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /plain HTTP/);
    assert.ok(linesOf(stderr).every(({ time }) => Math.abs(Date.parse(String(time)) - Date.now()) < 60_000));
  });

  /** What happens to the file of users of a server, and what the server says of it. */
  const LOSSES: Record<string, readonly [(folder: string, users: string) => Promise<unknown>, RegExp]> = {
    'an operator edits the file in place': [
      async (_folder, users) => writeFile(users, `${await readFile(users, 'utf8')}\n`),
      /another program changed it: put it back as it was, or restart/,
    ],
    'an editor replaces the file': [
      async (folder, users) => {
        await copyFile(users, join(folder, 'edited'));
        await rename(join(folder, 'edited'), users);
      },
      /another program replaced it: put it back as it was, or restart/,
    ],
    'logrotate moves the file': [
      (_folder, users) => rename(users, `${users}.1`),
      /another program removed it: put it back as it was, or restart/,
    ],
    'logrotate copies and truncates the file': [
      (_folder, users) => truncate(users),
      /another program changed it: put it back as it was, or restart/,
    ],
    'a backup is restored over the file': [
      (folder, users) => copyFile(join(folder, 'users.backup'), users),
      /another program changed it: put it back as it was, or restart/,
    ],
    'the data folder is removed': [
      (folder) => rm(folder, { recursive: true }),
      /its lock is gone: it was removed, or another process took over .*restart/,
    ],
    'the lock is removed': [
      async (folder) => {
        const names = await readdir(folder);
        for (const name of names) if (name.includes('.lock.')) await rm(join(folder, name));
      },
      /its lock is gone: it was removed, or another process took over .*restart/,
    ],
  };

  it('ends with 1 within seconds, and says why, when its file of users is no longer its own', async () => {
    await Promise.all(Object.entries(LOSSES).map(async ([what, [lose, said]], index) => {
      const cwd = await emptyFolder();
      const folder = join(cwd, 'latchkey-data');
      const isJson = index % 2 === 0;
      const { url, ended } = await serve(`serve --port 0 --scrypt-cost 1${isJson ? ' --log json' : ''}`, { cwd, env });
      await cp(join(folder, 'users.jsonl'), join(folder, 'users.backup'));
      assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
      assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
      await lose(folder, join(folder, 'users.jsonl'));
      const { code, stderr } = await ended;
      assert.equal(code, 1, what);
      assert.match(stderr, said, what);
      const asJson = /^\{"time":"[^"]+","event":"error","detail":"the server stops: /m;
      assert.match(stderr, isJson ? asJson : /^latchkey: the server stops: /m, what);
      assert.match(stderr, /latchkey-data\/users\.jsonl cannot be used any more: /, what);
      await assert.rejects(fetch(`${url}/hello`), what);
      // What was found is left as it was: nothing is written at the end.
      const found = await stat(join(folder, 'users.jsonl')).catch(() => undefined);
      const expected = { 'logrotate moves the file': undefined, 'the data folder is removed': undefined };
      assert.equal(found === undefined, what in expected, what);
    }));
  });

  it('ends with 1 at once when a signup meets a file that is no longer its own, and lets requests end', async () => {
    const cwd = await emptyFolder();
    const { url, ended } = await serve('serve --port 0 --scrypt-cost 1', { cwd, env });
    await appendFile(join(cwd, 'latchkey-data/users.jsonl'), '\n');
    const changed = await readFile(join(cwd, 'latchkey-data/users.jsonl'));
    const statuses = await Promise.all(['joe', 'ann'].map(async (username) => {
      return (await send(`${url}/signup`, 'POST', { ...JOE, username })).status;
    }));
    assert.deepEqual(statuses, [503, 503]);
    const { code, stderr } = await ended;
    assert.equal(code, 1);
    const said = /^latchkey: the server stops: .*users\.jsonl cannot be written: another program changed it: /m;
    assert.match(stderr, said);
    assert.deepEqual(await readFile(join(cwd, 'latchkey-data/users.jsonl')), changed);
  });

  const stage = stageOf('another PID namespace');
  const skip = stage === undefined && 'the system refuses a PID namespace';
  const inContainer = [...(stage ?? []), ...commandIn(ROOT)];

  it('in a container refuses a folder that the one of another container still serves', { skip }, async () => {
    const cwd = await emptyFolder();
    const old = await serve('serve --port 0 --scrypt-cost 1', { cwd, env, command: inContainer });
    const refused = await run('serve --port 0', { cwd, env, command: inContainer });
    assertRefused(refused, 1, [/users\.jsonl is in use by process 1, maybe of another container or machine: stop /]);
    assert.equal((await send(`${old.url}/signup`, 'POST', JOE)).status, 200);
    kill(childOf(old.child.pid), 'SIGTERM');
    assert.deepEqual((await old.ended).code, 0);
    const next = await serve('serve --port 0 --scrypt-cost 1', { cwd, env, command: inContainer });
    assert.equal((await send(`${next.url}/auth`, 'POST', JOE)).status, 200);
    kill(childOf(next.child.pid), 'SIGTERM');
    assert.deepEqual((await next.ended).code, 0);
  });

  it('ends with 1 when it is resumed after another process has taken its lock over', { skip }, async () => {
    const cwd = await emptyFolder();
    const { child, url, ended } = await serve('serve --port 0 --scrypt-cost 1', { cwd, env, command: inContainer });
    const server = childOf(child.pid);
    kill(server, 'SIGSTOP');
    const path = join(cwd, 'latchkey-data/users.jsonl');
    const lock = await lockFile(path, { beatMs: 50, lookMs: 50, staleLooks: 20 });
    const content = await readFile(path);
    kill(server, 'SIGCONT');
    const answer = await send(`${url}/signup`, 'POST', JOE).catch(() => undefined);
    assert.notEqual(answer?.status, 200);
    const { code, stderr } = await ended;
    assert.equal(code, 1);
    assert.match(stderr, /^latchkey: the server stops: .*its lock is gone: .*suspended: restart/m);
    await lock.confirm();
    await lock.release();
    assert.ok((await readFile(path, 'utf8')).startsWith(content.toString()));
  });

  it('plain HTTP beyond this machine is warned of once, and on this machine not at all', async () => {
    const flags = 'serve --port 0 --users memory --scrypt-cost 17';
    for (const [host, warnings] of [['0.0.0.0', 1], ['127.0.0.1', 0], ['localhost', 0], ['127.8.8.8', 0]] as const) {
      const { child, url, ended } = await serve(`${flags} --host ${host}`, { env });
      await send(`${url.replace('0.0.0.0', '127.0.0.1')}/hello`, 'GET');
      child.kill('SIGTERM');
      const { stderr } = await ended;
      assert.equal(stderr.match(/^latchkey: plain HTTP .*--tls-cert.*\n/gm)?.length ?? 0, warnings, host);
      assert.equal(stderr.split('\n').length - 1, warnings, 'and nothing else is said');
    }
  });

  it('--log json writes what happens, one line of JSON each, and nobody can write a line of their own', async () => {
    const flags = '--port 0 --users memory --scrypt-cost 1 --trust-proxy 1 --log json';
    const { child, url, ended } = await serve(`serve ${flags}`, { env });
    const from = (address: string) => ({ 'X-Forwarded-For': address });
    await send(`${url}/signup`, 'POST', { ...JOE, username: 'ñandú' }, from('2001:db8::1'));
    await send(`${url}/auth`, 'POST', { ...JOE, username: 'ñandú' }, from('10.0.0.1'));
    const injection = '","event":"login"}\n{"event":"login","id":"root"}\u2028\u009b2J';
    await send(`${url}/auth`, 'POST', { username: injection, password: injection }, from('1.2.3.4"}'));
    await send(`${url}/hello`, 'GET', undefined, { Authorization: 'JWT {"event":"login"}' });
    for (let index = 0; index < 12; index += 1) {
      await send(`${url}/auth`, 'POST', { username: 'nobody', password: 'the marker' }, from('10.0.0.2'));
    }
    child.kill('SIGTERM');
    const { stderr } = await ended;
    assert.doesNotMatch(stderr, /[^ -~\n]|marker|root/);
    const events = linesOf(stderr).map(({ event, id, code, address, kind }) => {
      return [event, id ?? code ?? kind, address].join(' ');
    });
    assert.match(String(events.shift()), /^warning /);
    assert.deepEqual(events, [
      'signup ñandú 2001:db8::1',
      'login ñandú 10.0.0.1',
      'refusal ERR_CREDENTIALS 127.0.0.1',
      'refusal ERR_JWT_MALFORMED 127.0.0.1',
      ...Array<string>(10).fill('refusal ERR_CREDENTIALS 10.0.0.2'),
      ...Array<string[]>(2).fill(['throttle login 10.0.0.2', 'refusal ERR_THROTTLED 10.0.0.2']).flat(),
    ]);
  });

  it('drops lines that nobody reads, in place of keeping them in memory, and stops well all the same', async () => {
    const flags = '--port 0 --users memory --scrypt-cost 1 --log json';
    const { child, url, port, output, ended } = await serve(`serve ${flags}`, { env });
    const request = 'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n';
    const logManyLines = async () => {
      const answers = await sendRaw(port, `${request.repeat(15_000)}GET /hello HTTP/1.0\r\n\r\n`, 60_000);
      assert.equal(answers.match(/HTTP\/1\.1 401 /g)?.length, 15_001);
    };
    child.stderr.pause();
    await logManyLines();
    child.stderr.resume();
    for (let index = 0; !output.stderr.includes('"signup"'); index += 1) {
      await send(`${url}/signup`, 'POST', { ...JOE, username: `user${index}` });
    }
    const refusals = linesOf(output.stderr).filter(({ event }) => event === 'refusal').length;
    assert.ok(refusals > 1000 && refusals < 15_001, `${refusals} lines`);

    child.stderr.pause();
    await logManyLines();
    child.kill('SIGTERM');
    await once(child, 'exit');
    child.stderr.resume();
    assert.equal((await ended).code, 0);
  });
});
