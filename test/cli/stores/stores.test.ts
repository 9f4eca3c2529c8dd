/** What `latchkey serve` keeps, where it keeps it, and that an answer means that it is on disk. */
import assert from 'node:assert/strict';
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, test } from 'node:test';
import { openStores } from '../../../src/cli/stores/stores.ts';
import { decodeUnverified } from '../../../src/index.ts';
import { send } from '../../support/app.ts';
import { LONG } from '../../support/long.ts';
import {
  assertRefused,
  command,
  emptyFolder,
  modeOf,
  run,
  serve,
  stop,
} from '../../support/run-command.ts';
import {
  codeOf,
  helloStatus,
  listSessions,
  logIn,
  OWNER,
  pairIn,
  refresh,
  sendAs,
  signUpOwner,
} from '../../support/session-client.ts';
import { SECRET } from '../../support/tokens.ts';

const env = { LATCHKEY_SECRET: SECRET };
const FLAGS = 'serve --port 0 --scrypt-cost 1';
const { password } = OWNER;
const LIMIT = { timeout: 120_000 };

/** @returns the line that says where the server listens */
const firstLine = (server: { readonly output: { readonly stdout: string } }): string =>
  server.output.stdout.split('\n')[0] ?? '';

const KILLS = { ...LIMIT, ...LONG };

test('stores in files can be lost, with and without sessions', async () => {
  for (const hasSessions of [false, true, 'ifKept'] as const) {
    const data = await emptyFolder();
    const stores = await openStores({ users: 'file', hasSessions, data }, () => undefined);
    assert.ok(stores.lost instanceof Promise, `${hasSessions}`);
    assert.equal(stores.sessions === undefined, hasSessions !== true);
    await stores.close();
  }
  const users = 'memory';
  const memory = await openStores({ users, hasSessions: 'ifKept', data: '' }, () => undefined);
  assert.equal(memory.sessions, undefined);
});

describe('latchkey serve', { concurrency: 4, ...LIMIT }, () => {
  it('keeps sessions beside the users, where only its own user can read them', async () => {
    const cwd = await emptyFolder();
    const server = await serve(`${FLAGS} --data data`, { cwd, env });
    const places = 'users in data/users.jsonl (new), sessions in data/sessions.jsonl, ';
    assert.ok(firstLine(server).includes(places), server.output.stdout);
    await signUpOwner(server.url);
    await logIn(server.url);
    assert.equal((await stop(server)).code, 0);
    // No lock is left.
    assert.deepEqual((await readdir(join(cwd, 'data'))).sort(), ['sessions.jsonl', 'users.jsonl']);
    assert.equal(await modeOf(join(cwd, 'data/sessions.jsonl')), '600');
  });

  it('with --sessions off writes no more than the users, and answers as before', async () => {
    const cwd = await emptyFolder();
    const users = join(cwd, 'users.jsonl');
    const server = await serve(`${FLAGS} --data . --sessions off`, { cwd, env });
    assert.match(firstLine(server), /users in users\.jsonl \(new\), (?!.*sessions)/);
    await signUpOwner(server.url);
    const content = await readFile(users, 'utf8');
    const { status, body } = await send(`${server.url}/auth`, 'POST', { ...OWNER, refresh: true });
    assert.deepEqual([status, Object.keys(body as object)], [200, ['access_token']]);
    const { access_token: token } = body as { access_token: string };
    const [, payload = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    assert.deepEqual(Object.keys(claims).sort(), ['exp', 'iat', 'identity', 'nbf']);
    assert.equal(await helloStatus(server.url, token), 200);
    for (const path of ['/refresh', '/logout', '/sessions/end', '/password', '/account/remove']) {
      assert.equal((await sendAs(token, `${server.url}${path}`, 'POST', {})).status, 404, path);
    }
    assert.equal(await readFile(users, 'utf8'), content);
    const names = (await readdir(cwd)).filter((name) => !name.startsWith('users.jsonl.lock'));
    assert.deepEqual(names, ['administration', 'users.jsonl']);
    assert.equal((await stop(server)).code, 0);
    assert.deepEqual(await readdir(cwd), ['users.jsonl']);
    // An empty line marks the end.
    assert.equal(await readFile(users, 'utf8'), `${content}\n`);
    const [insert = '', ...others] = content.split('\n').filter((line) => line.includes('"op"'));
    assert.match(insert, /"op":"insert","id":"joe"/);
    assert.deepEqual(others, []);
  });

  it('with --users memory keeps sessions in memory, and says so', async () => {
    const cwd = await emptyFolder();
    const server = await serve(`${FLAGS} --users memory`, { cwd, env });
    assert.match(firstLine(server), /users and sessions in memory \(lost when the server stops\)/);
    await signUpOwner(server.url);
    pairIn(await refresh(server.url, (await logIn(server.url)).refresh_token));
    await stop(server);
    assert.deepEqual(await readdir(cwd), []);
  });

  it('with --sessions required refuses a token without a session, which on accepts', async () => {
    const cwd = await emptyFolder();
    const stateless = await serve(`${FLAGS} --data . --sessions off`, { cwd, env });
    await signUpOwner(stateless.url);
    const { access_token: token } = await logIn(stateless.url, {});
    await stop(stateless);
    for (const [mode, status] of [['on', 200], ['required', 401]] as const) {
      const server = await serve(`${FLAGS} --data . --sessions ${mode}`, { cwd, env });
      const hello = await sendAs(token, `${server.url}/hello`, 'GET');
      assert.equal(hello.status, status, mode);
      if (status === 401) assert.equal(codeOf(hello), 'ERR_SESSION_ENDED');
      const own = await logIn(server.url, {});
      assert.equal(await helloStatus(server.url, own.access_token), 200, mode);
      await stop(server);
    }
  });

  it('ends sessions at --session-max and --session-idle', async () => {
    const lifetimes = '--lifetime 1 --leeway 0 --session-idle 1 --session-max 1000';
    const server = await serve(`${FLAGS} --users memory ${lifetimes}`, { env });
    await signUpOwner(server.url);
    const { refresh_token: token } = await logIn(server.url);
    const { exp, iat } = decodeUnverified(token).claims as Record<string, unknown>;
    assert.equal(Number(exp) - Number(iat), 1000);
    let answer = await refresh(server.url, token);
    while (answer.status === 200) answer = await refresh(server.url, token);
    assert.equal(answer.status, 401);
    await stop(server);
  });

  it('refuses logins with 503 on a full disk, unless sessions are off', async () => {
    // The limit is in blocks of 512 bytes, for each file.
    const limited = ['sh', '-c', 'ulimit -f 20 && exec "$@"', 'sh', ...command()];
    const cwd = await emptyFolder();
    const full = await serve(`${FLAGS} --data .`, { cwd, env, command: limited });
    await signUpOwner(full.url);
    const first = await logIn(full.url);
    let answer = await send(`${full.url}/auth`, 'POST', OWNER);
    for (let logins = 0; logins < 100 && answer.status === 200; logins += 1) {
      answer = await send(`${full.url}/auth`, 'POST', OWNER);
    }
    assert.deepEqual([answer.status, codeOf(answer)], [503, 'ERR_STORE']);
    for (const path of ['/refresh', '/logout']) {
      const refused = await send(`${full.url}${path}`, 'POST', first);
      assert.deepEqual([refused.status, codeOf(refused)], [503, 'ERR_STORE'], path);
    }
    assert.equal(await helloStatus(full.url, first.access_token), 200);
    const { code, stderr } = await stop(full);
    assert.equal(code, 0);
    const lines = stderr.split('\n').filter((line) => line.includes('sessions.jsonl'));
    assert.equal(lines.length, 1, 'one line for three refused requests');
    const line = /^latchkey: sessions\.jsonl cannot be written: EFBIG: [^|]+\. Raise the [^|]+$/;
    assert.match(lines.join(), line);

    const off = await serve(`${FLAGS} --data . --sessions off`, { cwd, env, command: limited });
    await logIn(off.url, {});
    await stop(off);
    const roomy = await serve(`${FLAGS} --data .`, { cwd, env });
    assert.equal(await helloStatus(roomy.url, first.access_token), 200);
    pairIn(await refresh(roomy.url, first.refresh_token));
    await logIn(roomy.url);
    await stop(roomy);
  });

  it('does not start over a damaged session file, and leaves both files as they were', async () => {
    const cwd = await emptyFolder();
    await stop(await serve(`${FLAGS} --data .`, { cwd, env }));
    const names = ['users.jsonl', 'sessions.jsonl'];
    await appendFile(join(cwd, 'sessions.jsonl'), '{"damaged":true}\n\n{"damaged":true}\n');
    const contents = () => Promise.all(names.map((name) => readFile(join(cwd, name), 'utf8')));
    const before = await contents();
    assertRefused(await run(`${FLAGS} --data .`, { cwd, env }), 1, [/sessions\.jsonl/, /line/]);
    assert.deepEqual(await contents(), before);
    assert.deepEqual((await readdir(cwd)).sort(), names.toSorted(), 'no lock is left');
    // Without its file, every login has ended.
    await rm(join(cwd, 'sessions.jsonl'));
    assert.equal((await stop(await serve(`${FLAGS} --data .`, { cwd, env }))).code, 0);
  });

  it('lets the lock of the user file decide which of two servers has a folder', async () => {
    const cwd = await emptyFolder();
    const first = await serve(`${FLAGS} --data .`, { cwd, env });
    await Promise.all(['on', 'off', 'required'].map(async (sessions) => {
      const second = await run(`${FLAGS} --data . --sessions ${sessions}`, { cwd, env });
      assertRefused(second, 1, [/users\.jsonl is in use by process \d+/]);
    }));
    await signUpOwner(first.url);
    pairIn(await refresh(first.url, (await logIn(first.url)).refresh_token));
    assert.equal((await stop(first)).code, 0);
  });

  it('stops, and says why, when another program has changed its session file', async () => {
    const cwd = await emptyFolder();
    const server = await serve(`${FLAGS} --data .`, { cwd, env });
    await signUpOwner(server.url);
    await writeFile(join(cwd, 'sessions.jsonl'), '');
    const { code, stderr } = await server.ended;
    assert.equal(code, 1);
    assert.match(stderr, /^latchkey: the server stops: .*sessions\.jsonl cannot be used any more/m);
    assert.deepEqual((await readdir(cwd)).filter((name) => name.startsWith('users.jsonl.')), []);
  });
});

test('refreshes, logouts and new passwords that were answered survive kill -9', KILLS, async () => {
  const cwd = await emptyFolder();
  const flags = `${FLAGS} --data . --throttle off`;
  const killed = await serve(flags, { cwd, env });
  const { url } = killed;
  await signUpOwner(url);
  const [kept, out, other] = [await logIn(url), await logIn(url), await logIn(url)];
  const next = pairIn(await refresh(url, kept.refresh_token));
  assert.equal(await helloStatus(url, next.access_token), 200);
  const body = { refresh_token: out.refresh_token };
  assert.equal((await send(`${url}/logout`, 'POST', body)).status, 200);
  const [{ id } = { id: '' }] = (await listSessions(url, other.access_token))
    .filter((session) => session.is_current);
  const end = { id, password };
  assert.equal((await sendAs(next.access_token, `${url}/sessions/end`, 'POST', end)).status, 200);
  killed.child.kill('SIGKILL');
  await killed.ended;

  const again = await serve(flags, { cwd, env });
  for (const pair of [out, other]) {
    assert.equal(await helloStatus(again.url, pair.access_token), 401);
    assert.equal((await refresh(again.url, pair.refresh_token)).status, 401);
  }
  assert.equal(await helloStatus(again.url, next.access_token), 200);
  // Without the first refresh this token would be of a generation that was never issued.
  const last = pairIn(await refresh(again.url, next.refresh_token));
  const change = { password, new_password: 'another horse' };
  const changed = await sendAs(last.access_token, `${again.url}/password`, 'POST', change);
  assert.equal(changed.status, 200);
  again.child.kill('SIGKILL');
  await again.ended;

  const third = await serve(flags, { cwd, env });
  assert.equal(await helloStatus(third.url, last.access_token), 401);
  assert.equal(await helloStatus(third.url, pairIn(changed).access_token), 200);
  assert.equal((await send(`${third.url}/auth`, 'POST', OWNER)).status, 401);
  await logIn(third.url, { password: 'another horse' });
  assert.equal((await stop(third)).code, 0);
});
