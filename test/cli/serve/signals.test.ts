/** Graceful shutdown: the server answers requests in flight and loses nothing that it answered. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, readdir, readFile } from 'node:fs/promises';
import {
  Agent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { curlLines } from '../../../src/cli/serve/serve-start.ts';
import { Jwt } from '../../../src/crypto/jwt.ts';
import { send } from '../../support/app.ts';
import { ANN, JOE, login, signup } from '../../support/command-client.ts';
import { someOf } from '../../support/long.ts';
import { emptyFolder, modeOf, run, serve, start } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

/** Begins a POST, which stays in flight until `finish` sends its body. */
async function begin(path: string, user: object, where: RequestOptions) {
  const body = JSON.stringify(user);
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    'Expect': '100-continue',
  };
  const request = httpRequest({ path, method: 'POST', agent: false, headers, ...where });
  request.flushHeaders();
  await once(request, 'continue');
  const finish = async () => {
    request.end(body);
    const [response]: IncomingMessage[] = await once(request, 'response');
    return response === undefined ? '' : text(response);
  };
  return { request, finish };
}

const beginLogin = ({ port }: { readonly port: number }, user: object) => {
  return begin('/auth', user, { port, host: '127.0.0.1' });
};

/** @returns once the place refuses connections, at the latest when its process has ended */
async function untilRefused({ port = 0, path }: { port?: number; path?: string }) {
  for (;;) {
    const socket = path === undefined ? connect(port, '127.0.0.1') : connect(path);
    const isRefused = await once(socket, 'connect').then(() => false, () => true);
    socket.destroy();
    if (isRefused) return;
    await delay(10);
  }
}

/** Sends JSON, and answers when the whole answer is there. */
async function post(url: string, body: object, agent: Agent) {
  const headers = { 'Content-Type': 'application/json' };
  const request = httpRequest(url, { method: 'POST', agent, headers });
  request.end(JSON.stringify(body));
  const [response] = await once(request, 'response');
  return { status: Number(response.statusCode), body: await text(response) };
}

describe('latchkey serve', { concurrency: 4, timeout: 120_000 }, () => {
  describe('over the lives of one data folder', { concurrency: 1 }, () => {
    let server: Awaited<ReturnType<typeof serve>>;
    let cwd: string;
    let data: string;
    let token: string;

    it('makes folder, secret and user file at first, and answers its lines of curl', async () => {
      cwd = await emptyFolder();
      data = join(cwd, 'latchkey-data');
      server = await serve('serve --port 0', { cwd });
      const places = /latchkey-data\/users\.jsonl.*latchkey-data\/secret \(new/;
      const first = RegExp(String.raw`http://127\.0\.0\.1:\d.*${places.source}`);
      assert.match(server.output.stdout, first);
      const script = `${curlLines(server.url, 8)}\necho "token $TOKEN"`;
      const { stdout } = await run('', { command: ['bash', '-c', script] });
      assert.match(stdout, /"User created"[^]*"Hello joe"[^]*HTTP\/1.1 401 [^]*WWW-Authenticate/);
      token = stdout.trim().split('token ').at(-1) ?? '';

      const secret = await readFile(join(data, 'secret'), 'utf8');
      assert.match(secret, /^[\w-]{43}\n$/);
      new Jwt({ secret: secret.trimEnd() }).verify(token);
      const paths = [data, join(data, 'secret'), join(data, 'users.jsonl')];
      assert.deepEqual(await Promise.all(paths.map(modeOf)), ['700', '600', '600']);
      assert.match(await readFile(join(data, 'users.jsonl'), 'utf8'), /\$ln=17,/);
      assert.equal(await signup(server.url, { ...ANN, password: 'seven77' }), 400);
      assert.equal(server.output.stderr, '');
    });

    it('at SIGTERM answers the login in flight, accepts no more, and ends with 0', async () => {
      const { finish } = await beginLogin(server, JOE);
      server.child.kill('SIGTERM');
      await untilRefused(server);
      assert.doesNotMatch(server.output.stdout, /stopped/);
      assert.match(await finish(), /access_token/);
      const { code, stdout } = await server.ended;
      assert.equal(code, 0);
      assert.match(stdout, /\nlatchkey stopped: SIGTERM\n$/);
      const files = ['secret', 'sessions.jsonl', 'users.jsonl'];
      assert.deepEqual((await readdir(data)).sort(), files, 'no lock is left');
    });

    it('accepts tokens and users from before a restart', async () => {
      server = await serve('serve --port 0 --scrypt-cost 1', { cwd });
      assert.doesNotMatch(server.output.stdout, /\(new/);
      const headers = { Authorization: `JWT ${token}` };
      const { body } = await send(`${server.url}/hello`, 'GET', undefined, headers);
      assert.deepEqual(body, { Status: 'Success', result: 'Hello joe' });
    });

    it('at SIGTERM while it waits for the lock of another server ends with 0', async () => {
      const held = (await readdir(data)).length;
      const waiting = start('serve --port 0', { cwd });
      const hasEnded = waiting.ended.then(() => true);
      // Each attempt to lock leaves a claim for a moment.
      while ((await readdir(data)).length === held) {
        assert.notEqual(await Promise.race([hasEnded, delay(1)]), true, waiting.output.stderr);
      }
      waiting.child.kill('SIGTERM');
      assert.deepEqual(await waiting.ended, {
        code: 0,
        stdout: 'latchkey stopped: SIGTERM\n',
        stderr: '',
      });
    });

    it('starts again after kill -9 and a torn line, with every acknowledged user', async () => {
      assert.equal(await signup(server.url, ANN), 200);
      server.child.kill('SIGKILL');
      await server.ended;
      const names = await readdir(data);
      assert.ok(names.some((name) => name.startsWith('users.jsonl.lock')), 'a stale lock');
      await appendFile(join(data, 'users.jsonl'), '{"torn');
      server = await serve('serve --port 0 --scrypt-cost 1', { cwd });
      assert.match(server.output.stderr, /^latchkey: .*users\.jsonl.* 6 bytes/m);
      assert.match(await login(server.url, ANN), /^ey/);
    });

    it('counts two signals at one moment as one, and ends at once at a later one', async () => {
      const first = await beginLogin(server, ANN);
      const second = await beginLogin(server, ANN);
      const isCutOff = assert.rejects(once(second.request, 'response'), { code: 'ECONNRESET' });
      server.child.kill('SIGINT');
      server.child.kill('SIGTERM');
      await untilRefused(server);
      assert.match(await first.finish(), /access_token/);
      // Longer than the time in which two signals count as one.
      await delay(300);
      server.child.kill('SIGINT');
      await isCutOff;
      assert.equal((await server.ended).code, 1);
    });
  });

  for (const signal of someOf(['SIGINT', 'SIGTERM'] as const)) {
    it(`${signal} stops a server that does not listen yet, and leaves no lock`, async () => {
      const data = await emptyFolder();
      const { child, ended } = start(`serve --port 0 --data ${data}`);
      while (!(await readdir(data)).some((name) => name.includes('.lock'))) await delay(1);
      child.kill(signal);
      const { code, stderr } = await ended;
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.deepEqual((await readdir(data)).filter((name) => name.includes('.lock')), []);
    });
  }

  it('ends with an exit code, and not by a signal that comes after the last line', async () => {
    const env = { LATCHKEY_SECRET: SECRET };
    const { child, ended } = await serve('serve --port 0 --users memory', { env });
    child.stdout.on('data', async () => {
      while (child.kill('SIGINT')) await delay(0);
    });
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    assert.match(stdout, /\nlatchkey stopped: SIGINT\n$/);
    // 1 if the stop took so long that the next signal was a second one.
    assert.ok(code === 0 || code === 1, String(code));
  });

  for (const signal of someOf(['SIGINT', 'SIGTERM'] as const)) {
    it(`flags and signals: ${signal} ends with 0, and cuts no login off`, async () => {
      const env = { LATCHKEY_SECRET: SECRET };
      const flags = '--port 0 --users memory --scrypt-cost 12';
      const server = await serve(`serve ${flags}`, { env });
      const { child, url, ended } = server;
      assert.equal(await signup(url, JOE), 200);
      const { finish } = await beginLogin(server, JOE);
      child.kill(signal);
      await untilRefused(server);
      assert.match(await finish(), /access_token/);
      const { code, stderr } = await ended;
      assert.equal(code, 0);
      assert.match(stderr, /^latchkey: --scrypt-cost 12 .*\n$/);
    });
  }

  it('stops the administration meanwhile, and makes the change that is under way', async () => {
    const cwd = await emptyFolder();
    const env = { LATCHKEY_SECRET: SECRET };
    const server = await serve('serve --port 0 --scrypt-cost 1', { cwd, env });
    assert.equal(await signup(server.url, ANN), 200);
    const socketPath = join(cwd, 'latchkey-data/administration/socket');
    const change = await begin('/add', JOE, { socketPath });
    const logIn = await beginLogin(server, ANN);
    server.child.kill('SIGTERM');
    await untilRefused({ path: socketPath });
    assert.match(await logIn.finish(), /access_token/);
    await untilRefused(server);
    assert.match(await change.finish(), /"user":\{"id":"joe"/);
    const { code, stderr } = await server.ended;
    assert.equal(code, 0);
    assert.match(stderr, /^latchkey: administration: add joe$/m);
  });

  /** On a starved machine a client can pause for longer than a server waits for a request. */
  const STARVED_MS = 150;
  const MAX_TRIES = 5;

  /** Stops a server that 32 clients keep busy. @returns why their last requests had no answer */
  const stopUnderLoad = async (signal: NodeJS.Signals) => {
    const cwd = await emptyFolder();
    const flags = '--port 0 --throttle off --scrypt-cost 1';
    const env = { LATCHKEY_SECRET: SECRET };
    const { child, url, ended } = await serve(`serve ${flags}`, { cwd, env });
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    const answered: string[] = [];
    const unanswered: string[] = [];
    const signUpUntilRefused = async (client: number) => {
      for (let index = 0; ; index += 1) {
        const username = `user-${client}-${index}`;
        const sent = post(`${url}/signup`, { ...JOE, username }, agent);
        const answer = await sent.catch((error: NodeJS.ErrnoException) => String(error.code));
        if (typeof answer === 'string') return unanswered.push(answer);
        assert.equal(answer.status, 200);
        assert.equal(answer.body, '{"Status":"Success","result":"User created"}\n');
        answered.push(username);
      }
    };
    const pauses = monitorEventLoopDelay({ resolution: 10 });
    pauses.enable();
    const clients = Array.from({ length: 32 }, (_, client) => client);
    const load = Promise.all(clients.map(signUpUntilRefused));
    while (answered.length < 300) await delay(10);
    child.kill(signal);
    await load;
    pauses.disable();
    assert.equal((await ended).code, 0);
    const lines = (await readFile(join(cwd, 'latchkey-data/users.jsonl'), 'utf8')).split('\n');
    const inserts = lines.filter((line) => line.includes('"insert"'));
    const kept = new Set(inserts.map((line) => JSON.parse(line).id));
    assert.deepEqual(answered.filter((username) => !kept.has(username)), []);
    agent.destroy();
    return { unanswered: new Set(unanswered), isStarved: pauses.max / 1e6 > STARVED_MS };
  };

  for (const signal of someOf(['SIGTERM', 'SIGINT'] as const)) {
    it(`at ${signal} under load cuts no request, and loses no answered signup`, async () => {
      let stopped = await stopUnderLoad(signal);
      for (let tries = 1; stopped.isStarved && tries < MAX_TRIES; tries += 1) {
        stopped = await stopUnderLoad(signal);
      }
      // A late client was refused a connection. No connection was accepted and then cut.
      assert.deepEqual(stopped.unanswered, new Set(['ECONNREFUSED']));
    });
  }
});
