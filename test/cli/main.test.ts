/**
 * The command as people meet it (src/cli/main.ts): real child processes with their streams, exit codes and signals, and what
 * they leave in the data folder.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeUnverified, Jwt } from '../../src/crypto/jwt.ts';
import { JsonFileUserStore } from '../../src/index.ts';
import { assertRefused, commandIn, emptyFolder, ROOT, run, serve, signalGroup, start } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';
import { send } from '../support/app.ts';

/** What takes the place of {@link SECRET}. */
const OTHER_SECRET = 'another secret for tests, 32 bytes';
const JOE = { username: 'joe', password: 'correct horse' };
const ANN = { username: 'ann', password: 'correct horse' };
/** Nobody has this address (RFC 5737): to listen there fails, once everything before that was accepted. */
const NOWHERE = '192.0.2.1';

const signup = async (url: string, user: object) => (await send(`${url}/signup`, 'POST', user)).status;
const login = async (url: string, user: object) => {
  const { body } = await send(`${url}/auth`, 'POST', user);
  return String(Object(body).access_token);
};

/** A login that the server has begun to read, and that stays in flight until its body is sent. */
async function beginLogin(url: string, user: object) {
  const body = JSON.stringify(user);
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length, 'Expect': '100-continue' };
  const request = httpRequest(`${url}/auth`, { method: 'POST', agent: false, headers });
  request.flushHeaders();
  await once(request, 'continue');
  const finish = async () => {
    request.end(body);
    const [response]: IncomingMessage[] = await once(request, 'response');
    return response === undefined ? '' : text(response);
  };
  return { request, finish };
}

/** Comes to an end, if only because the child does. */
async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isRefused = await once(socket, 'connect').then(() => false, () => true);
    socket.destroy();
    if (isRefused) return;
    await delay(10);
  }
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

/** Names, modes and contents of all that is in a folder. */
async function contentsOf(folder: string): Promise<string[]> {
  const contentOf = async (name: string) => {
    const path = join(folder, name);
    return `${await modeOf(path)} ${name}: ${await readFile(path, 'utf8').catch(() => 'a folder')}`;
  };
  return Promise.all((await readdir(folder, { recursive: true })).sort().map(contentOf));
}

describe('latchkey', { concurrency: 4, timeout: 120_000 }, () => {
  describe('serve, in the lives of one data folder', { concurrency: 1 }, () => {
    let server: Awaited<ReturnType<typeof serve>>;
    let cwd: string;
    let data: string;
    let token: string;

    it('makes its folder, secret and users file on the first start, and its four lines work in bash', async () => {
      cwd = await emptyFolder();
      data = join(cwd, 'latchkey-data');
      server = await serve('serve --port 0', { cwd });
      const [first = '', ...others] = server.output.stdout.trim().split('\n');
      assert.match(first, /http:\/\/127\.0\.0\.1:\d.*latchkey-data\/users\.jsonl.*latchkey-data\/secret.*made/);
      const lines = others.map((line) => line.trim()).filter((line) => line !== '');
      assert.deepEqual(lines.map((line) => /^(curl|TOKEN=)/.exec(line)?.[0]), ['curl', 'TOKEN=', 'curl', 'curl']);

      const bash = await run('', { command: ['bash', '-c', [...lines, 'echo "token $TOKEN"'].join('\n')] });
      assert.match(bash.stdout, /"User created"[^]*"Hello joe"[^]*HTTP\/1.1 401 [^]*WWW-Authenticate/);
      token = bash.stdout.trim().split('token ').at(-1) ?? '';

      const secret = await readFile(join(data, 'secret'), 'utf8');
      assert.match(secret, /^[\w-]{43}\n$/);
      new Jwt({ secret: secret.trimEnd() }).verify(token);
      const modes = await Promise.all([data, join(data, 'secret'), join(data, 'users.jsonl')].map(modeOf));
      assert.deepEqual(modes, ['700', '600', '600']);
      assert.match(await readFile(join(data, 'users.jsonl'), 'utf8'), /\$ln=17,/);
      assert.equal(await signup(server.url, { ...ANN, password: 'seven77' }), 400);
      assert.equal(server.output.stderr, '');
    });

    it('at SIGTERM answers the login in flight, accepts no more, lets go of the users and ends with 0', async () => {
      const { finish } = await beginLogin(server.url, JOE);
      server.child.kill('SIGTERM');
      await untilRefused(server.port);
      assert.match(await finish(), /access_token/);
      assert.equal((await server.ended).code, 0);
      assert.deepEqual((await readdir(data)).sort(), ['secret', 'users.jsonl']);
    });

    it('knows tokens and users from before a restart', async () => {
      server = await serve('serve --port 0 --scrypt-cost 1', { cwd });
      assert.doesNotMatch(server.output.stdout, /made/);
      const { body } = await send(`${server.url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
      assert.deepEqual(body, { Status: 'Success', result: 'Hello joe' });
    });

    it('starts again after kill -9 and a torn line, and an acknowledged user is there', async () => {
      assert.equal(await signup(server.url, ANN), 200);
      server.child.kill('SIGKILL');
      await server.ended;
      assert.ok((await readdir(data)).some((name) => name.startsWith('users.jsonl.lock')), 'a stale lock');
      await appendFile(join(data, 'users.jsonl'), '{"torn');
      server = await serve('serve --port 0 --scrypt-cost 1', { cwd });
      assert.match(server.output.stderr, /^latchkey: .*users\.jsonl.* 6 bytes/m);
      assert.match(await login(server.url, ANN), /^ey/);
    });

    it('takes two signals at one moment for one, and ends at once at a later one', async () => {
      const first = await beginLogin(server.url, ANN);
      const second = await beginLogin(server.url, ANN);
      const isCutOff = assert.rejects(once(second.request, 'response'), { code: 'ECONNRESET' });
      server.child.kill('SIGINT');
      server.child.kill('SIGTERM');
      await untilRefused(server.port);
      assert.match(await first.finish(), /access_token/);
      // Longer than two signals may be apart that count as one.
      await delay(300);
      server.child.kill('SIGINT');
      await isCutOff;
      assert.equal((await server.ended).code, 1);
    });
  });

  it('npm start takes "pass", a common password and the flags after --, and stops well at Ctrl-C', async () => {
    const data = await emptyFolder();
    await writeFile(join(data, 'secret'), `${SECRET}\r\n`);
    const env = {
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`,
      npm_config_update_notifier: 'false',
      npm_config_logs_max: '0',
    };
    const command = ['npm', 'start', '--', '--data', data];
    const server = await serve('--port 0 --scrypt-cost 1', { cwd: ROOT, env, command });
    const user = { ...JOE, password: 'pass' };
    assert.equal(await signup(server.url, user), 200);
    assert.equal(await signup(server.url, { ...ANN, password: 'password1' }), 200);
    new Jwt({ secret: SECRET }).verify(await login(server.url, user));
    // A terminal sends Ctrl-C to the whole group, and npm passes it on as well.
    signalGroup(server.child, 'SIGINT');
    await server.ended;
    assert.deepEqual((await readdir(data)).sort(), ['secret', 'users.jsonl']);
  });

  it('flags win over the environment, and the environment over the env file', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, '.env'), `HOST=${NOWHERE}\nLATCHKEY_SECRET=short\n`);
    const env = { PORT: 'abc', HOST: '127.0.0.1', LATCHKEY_SECRET: SECRET };
    const server = await serve('serve --port 0 --env-file .env --scrypt-cost 16', { cwd, env });
    assert.match(server.output.stderr, /^latchkey: .*--scrypt-cost 16.* 17 .*\n$/);
    assert.equal(await signup(server.url, JOE), 200);
    new Jwt({ secret: SECRET }).verify(await login(server.url, JOE));
    assert.match(await readFile(join(cwd, 'latchkey-data/users.jsonl'), 'utf8'), /\$ln=16,/);
    assert.ok(!(await readdir(join(cwd, 'latchkey-data'))).includes('secret'), 'a secret that nobody uses is not made');
  });

  it('the env file gives port and secret, --users memory leaves nothing on disk, a later flag wins', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, '.env'), `\ufeffPORT=0\nLATCHKEY_SECRET="${SECRET}"\n`);
    const flags = '--users memory --lifetime 60 --scrypt-cost 1 --min-password-length 4 --min-password-length 5';
    const server = await serve(`serve --env-file .env --host 127.0.0.1 ${flags}`, { cwd, env: { HOST: NOWHERE } });
    assert.notEqual(server.port, 3000);
    assert.equal(await signup(server.url, { ...JOE, password: 'four' }), 400);
    assert.equal(await signup(server.url, { ...JOE, password: 'five5' }), 200);
    const { exp, iat } = new Jwt({ secret: SECRET }).verify(await login(server.url, { ...JOE, password: 'five5' }));
    assert.equal(Number(exp) - Number(iat), 60);
    assert.deepEqual(await readdir(cwd), ['.env']);
  });

  it('the greatest numbers are accepted, and an address of another machine is named', async () => {
    const flags = '--port 65535 --lifetime 1000000000 --min-password-length 256 --scrypt-cost 20 --users memory';
    const env = { HOST: NOWHERE, LATCHKEY_SECRET: SECRET };
    assertRefused(await run(`serve ${flags}`, { env }), 1, [/192\.0\.2\.1/, /--host/]);
  });

  const USAGE: readonly [line: string, word: RegExp, env?: Record<string, string>][] = [
    ['', /command.*serve/],
    ['sreve', /command.*serve/],
    ['serve --prot 3000', /--prot/],
    ['serve another.token', /argument/],
    ['inspect --another.token.that.is.one', /'-\.\.\.'/],
    ['serve --port', /--port/],
    ['serve', /PORT.*"abc"/, { PORT: 'abc' }],
    ['serve --port=-1', /--port.*"-1"/],
    ['serve --port=', /--port.*""/],
    ['serve --port 65536', /--port.*\b65535\b.*"65536"/],
    ['serve --lifetime 1.5', /--lifetime.*"1.5"/],
    ['serve --lifetime 1e3', /--lifetime.*"1e3"/],
    ['serve --lifetime 0', /--lifetime.*"0"/],
    ['serve --min-password-length 257', /--min-password-length.*\b256\b.*"257"/],
    ['serve --scrypt-cost 21', /--scrypt-cost.*\b20\b.*"21"/],
    ['serve --users redis', /--users.*memory.*file/],
    ['serve --users mysql://joe@host/db', /--users.*postgres:/],
    ['serve --users postgres:', /--users.*postgres:/],
    ['serve --users postgres://[', /--users.*postgres:/],
    ['serve --users postgres://joe:1/hidden@host/database', /--users.*%2F/],
    ['serve --users postgres://joe:1?hidden@host/database', /--users.*%2F/],
    ['serve --users postgres://joe:1#hidden@host/database', /--users.*%2F/],
    ['serve --users postgres://joe:/hidden@host/database', /--users.*%2F/],
    ['serve --data=', /--data/],
    ['serve --throttle maybe', /--throttle.*on or off.*"maybe"/],
    ['serve --trust-proxy yes', /--trust-proxy.*\b100\b.*"yes"/],
    ['serve --max-connections 0', /--max-connections.*"0"/],
    ['serve --log text', /--log.*none or json.*"text"/],
    ['serve --tls-cert cert.pem', /--tls-key.*--tls-cert/],
    ['serve --tls-key key.pem', /--tls-cert.*--tls-key/],
    ['serve --tls-cert= --tls-key key.pem', /--tls-cert.*--tls-key/],
    ['serve --host=', /--host/],
    ['secret another.token', /argument/],
    ['inspect', /token/],
    ['inspect a.token another.token', /token|argument/],
  ];
  for (const [line, word, env = {}] of USAGE) {
    const given = [...Object.entries(env).map((pair) => pair.join('=')), 'latchkey', line].join(' ');
    it(`a usage error is told in one line and leaves nothing behind: ${given}`, async () => {
      const cwd = await emptyFolder();
      const ended = await run(line, { cwd, env });
      assertRefused(ended, 2, [word, /--help/]);
      assert.doesNotMatch(ended.stderr, /another\.token/);
      assert.deepEqual(await readdir(cwd), []);
    });
  }

  const SHORT = SECRET.slice(0, -1);
  const PEM = '-----BEGIN PUBLIC KEY-----\nTWFya2VyIG1hcmtlciBtYXJrZXI=\n-----END PUBLIC KEY-----\n';
  const GOOD = { LATCHKEY_SECRET: SECRET };
  const REMEDY = /latchkey secret|delete/;
  const keep = (secret: string | Uint8Array) => (cwd: string) => writeFile(join(cwd, 'data/secret'), secret);
  /** Holds the users as another process does. */
  const openUsers = (cwd: string) => JsonFileUserStore.open(join(cwd, 'data/users.jsonl'));
  const damageUsers = async (cwd: string) => {
    await (await openUsers(cwd)).close();
    await appendFile(join(cwd, 'data/users.jsonl'), '{"insert":\n');
  };
  /** The default port, which somebody else may have taken already. */
  const takePort = async (cwd: string) => {
    await (await openUsers(cwd)).close();
    const listener = createServer().listen(3000, '127.0.0.1').unref();
    await once(listener, 'listening').catch(({ code }: NodeJS.ErrnoException) => assert.equal(code, 'EADDRINUSE'));
  };

  type Prepare = (cwd: string) => Promise<unknown>;
  const FAILURES: readonly [what: string, flags: string, env: Record<string, string>, words: RegExp[], Prepare?][] = [
    ['a taken port', '--data data', { ...GOOD, PORT: '', HOST: '' }, [/3000/, /--port/], takePort],
    ['a data folder that cannot hold the secret', '--data file/data', {}, [/file\/data/, /--data/]],
    ['a data folder that cannot hold users', '--data file/data', GOOD, [/file\/data/, /--data|another folder/]],
    ['a short LATCHKEY_SECRET', '', { LATCHKEY_SECRET: SHORT }, [/LATCHKEY_SECRET/, /32 bytes, got 31/, REMEDY]],
    ['an empty LATCHKEY_SECRET', '', { LATCHKEY_SECRET: '' }, [/LATCHKEY_SECRET/, REMEDY]],
    ['a PEM in LATCHKEY_SECRET', '', { LATCHKEY_SECRET: PEM }, [/LATCHKEY_SECRET/, /PEM/, REMEDY]],
    ['a short secret file', '--data data', {}, [/data\/secret/, /32 bytes, got 31/, REMEDY], keep(`${SHORT}\n`)],
    ['a binary secret file', '--data data', {}, [/data\/secret/, /UTF-8/, REMEDY], keep(Buffer.alloc(32, 0x81))],
    ['an empty secret file', '--data data', {}, [/data\/secret/, /got 0/, REMEDY], keep('')],
    ['a secret file of empty lines', '--data data', {}, [/data\/secret/, /got 0/, REMEDY], keep('\n'.repeat(40))],
    ['a secret file of zeros', '--data data', {}, [/data\/secret/, /NUL/, REMEDY], keep('\0'.repeat(44))],
    ['a comment in a secret file', '--data data', {}, [/data\/secret/, /comment/], keep(`# made in March\n${SECRET}`)],
    ['a secret and a space', '', { LATCHKEY_SECRET: `${SECRET} ` }, [/LATCHKEY_SECRET/, /space/, REMEDY]],
    ['a damaged users file', '--data data', GOOD, [/data\/users\.jsonl.*line 3/, /backup/], damageUsers],
    ['a users file in use', '--data data', GOOD, [RegExp(`users\\.jsonl.* ${process.pid}\\b`), /stop/], openUsers],
    ['a missing certificate', '--tls-cert none.pem --tls-key file', {}, [/--tls-cert/, /none\.pem/, /PEM/]],
    ['a certificate that is none', '--tls-cert file --tls-key file', {}, [/--tls-cert/, /PEM/]],
    ['a missing env file', '--env-file none.env', {}, [/--env-file/, /none\.env/]],
    ['a folder for an env file', '--env-file data', {}, [/--env-file: EISDIR.*[^.]: name another file/]],
  ];
  for (const [what, flags, env, words, prepare] of FAILURES) {
    it(`${what} ends the start with one line that says what to do, and changes nothing on disk`, async () => {
      const cwd = await emptyFolder();
      await mkdir(join(cwd, 'data'));
      await writeFile(join(cwd, 'file'), '');
      const held = await prepare?.(cwd);
      const contents = await contentsOf(cwd);
      const ended = await run(`serve ${flags}`, { cwd, env });
      assertRefused(ended, 1, words);
      assert.ok(![SHORT, 'TWFya2Vy'].some((secret) => ended.stderr.includes(secret)), 'the secret is told');
      assert.deepEqual(await contentsOf(cwd), contents);
      if (held instanceof JsonFileUserStore) await held.close();
    });
  }

  it('a write that a crash has torn is cut off and saved, and that is told once', async () => {
    const cwd = await emptyFolder();
    await (await openUsers(cwd)).close();
    await appendFile(join(cwd, 'data/users.jsonl'), '{"op":');
    const saved = join(await realpath(cwd), 'data/users.jsonl.cut-1');
    const told = 'latchkey: data/users.jsonl: cut off 6 bytes of an interrupted last write ' +
      `and saved them in ${saved}\n`;
    for (const said of [told, '']) {
      const { child, ended } = await serve('serve --port 0 --data data', { cwd, env: GOOD });
      child.kill('SIGTERM');
      assert.equal((await ended).stderr, said);
    }
    assert.equal(await readFile(saved, 'utf8'), '{"op":');
  });

  it('--version is that of the package, and the help names every flag on 24 lines of 80 columns', async () => {
    const source = await readFile(join(ROOT, 'src/cli/flags.ts'), 'utf8');
    const flags = [...source.matchAll(/^ {2}'?([\w-]+)'?: \{ type: 'string'/gm)].map(([, name]) => `--${name}`);
    assert.ok(flags.includes('--env-file') && flags.includes('--port'), 'the flags are found in the source');
    const [version, main, ofServe] = await Promise.all([run('--version'), run('--help'), run('serve --help')]);
    const manifest: { version: string } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(version.stdout, `${manifest.version}\n`);
    for (const { code, stdout, stderr } of [version, main, ofServe]) {
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      const lines = stdout.trimEnd().split('\n');
      assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80), stdout);
    }
    for (const word of ['serve', 'secret', 'inspect', '--help', '--version']) assert.ok(main.stdout.includes(word));
    for (const word of [...flags, 'HOST', 'PORT', 'LATCHKEY_SECRET']) assert.ok(ofServe.stdout.includes(word), word);
  });

  it('goes on when nobody reads its output any more', async () => {
    const help = start('--help');
    help.child.stdout.destroy();
    assert.deepEqual(await help.ended, { code: 0, stdout: '', stderr: '' });

    const { child, url } = await serve('serve --port 0 --users memory --log json', {});
    child.stderr.destroy();
    // Each refusal is logged. Node forgives the first failed writes.
    for (let index = 0; index < 8; index += 1) {
      assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
    }
  });

  it('secret prints a secret that can be used, and never the same', async () => {
    const [one, other] = await Promise.all([run('secret'), run('secret')]);
    assert.deepEqual([one.code, one.stderr], [0, '']);
    assert.match(one.stdout, /^[\w-]{43}\n$/);
    new Jwt({ secret: one.stdout.trimEnd() });
    assert.notEqual(one.stdout, other.stdout);
  });

  it('inspect prints header, claims and times, and that nothing was verified', async () => {
    const token = new Jwt({ secret: SECRET, now: () => 1_000_000_000, lifetimeSeconds: 60 }).sign({ identity: 'joe' });
    const { code, stdout, stderr } = await run(`inspect ${token}`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const [, ...printed] = /header (\{[^}]+\})\s+claims (\{[^}]+\})/.exec(stdout) ?? [];
    assert.deepEqual(printed.map((json) => JSON.parse(json)), Object.values(decodeUnverified(token)));
    assert.match(stdout, /iat.*2001-09-09T01:46:40[^]*exp.*2001-09-09T01:47:40[^]*not (checked|verified)/);
  });

  it('inspect lets nothing of a token reach the terminal but text, and takes only numbers for times', async () => {
    // By hand, because JSON.stringify makes no 1e400. Raw here: DEL, CSI as one character, text direction, a tag.
    const claims = '{"exp":1e400,"iat":"5","nbf":null,"\\u001b[2J":"\\u001b[2J\x7f\x9b2J\u202e\u{e0041}\\ud800\\r\\n"}';
    const token = ['{"alg":"\\u009b2J"}', claims].map((json) => Buffer.from(json).toString('base64url')).join('.');
    const { code, stdout, stderr } = await run(`inspect ${token}.`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.doesNotMatch(stdout, /[^\P{C}\n]/u);
    assert.match(stdout, /"\\u001b\[2J": "\\u001b\[2J\\.*7f.*9b.*2J\\.*202e.*\\.*(e0041|db40.*dc41).*\\ud800\\r\\n"/);
    assert.doesNotMatch(stdout, /1970|Invalid/);
    // What has no width, and what looks like a space, would make two names look the same.
    const alike = `{"identity":"joe\u3164\ufe0f\u2028\u00a0"}`;
    const shown = await run(`inspect e30.${Buffer.from(alike).toString('base64url')}.`);
    assert.match(shown.stdout, /"joe\\u\{3164\}\\u\{fe0f\}\\u\{2028\}\\u\{a0\}"/);
  });

  it('inspect does not repeat what is not a token', async () => {
    const ended = await run('inspect no.token');
    assertRefused(ended, 1, []);
    assert.doesNotMatch(ended.stderr, /no\.token/);
  });

  it('inspect says whether a token verifies now by the secrets in a file, and ends with 1 if not', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), `${OTHER_SECRET}\n${SECRET}\n`);
    const signed = (options: object) => new Jwt({ secret: SECRET, ...options }).sign({ identity: 'joe' });
    const now = Date.now() / 1000;
    const FORGED = 'Signature verification failed';
    const VERDICTS: readonly [token: string, code: number, verdict: string][] = [
      [signed({}), 0, 'It verifies now.'],
      [signed({ secret: OTHER_SECRET }), 0, 'It verifies now.'],
      [signed({ now: () => now - 311 }), 1, 'It does not verify now: Signature has expired (ERR_JWT_EXPIRED)'],
      [signed({ secret: `${SECRET}!` }), 1, `It does not verify now: ${FORGED} (ERR_JWT_SIGNATURE)`],
    ];
    for (const [token, code, verdict] of VERDICTS) {
      const ended = await run(`inspect ${token} --secret-file secrets`, { cwd });
      assert.deepEqual([ended.code, ended.stdout.split('\n').at(-2), ended.stderr], [code, verdict, '']);
    }
    const [[token] = assert.fail()] = VERDICTS;
    assertRefused(await run(`inspect ${token} --secret-file none`, { cwd }), 1, [/--secret-file.*none/]);
    await writeFile(join(cwd, 'secrets'), `${SECRET}\nshort\n`);
    assertRefused(await run(`inspect ${token} --secret-file secrets`, { cwd }), 1, [/--secret-file.*32 bytes, got 5/]);
  });

  it('inspect takes a token as it stands in a header', async () => {
    const token = new Jwt({ secret: SECRET }).sign({ identity: 'joe' });
    const bare = await run(`inspect ${token}`);
    assert.equal(bare.code, 0);
    const command = [...commandIn(ROOT), 'inspect', ` JWT ${token} `];
    assert.deepEqual(await run('', { command }), bare);
  });

  it('what cannot be written, as on a full disk, is no success', { skip: process.platform !== 'linux' }, async () => {
    const command = ['sh', '-c', `"$@" > /dev/full`, 'sh', ...commandIn(ROOT), 'secret'];
    assertRefused(await run('', { command }), 1, [/ENOSPC/]);
  });

  it('a secret that others may read is warned of, and an empty line is no secret', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secret'), `\n${SECRET}\n\n`);
    const server = await serve('serve --port 0 --scrypt-cost 17 --data .', { cwd });
    assert.equal(server.output.stderr, 'latchkey: secret can be read by other users: chmod 600 secret\n');
    new Jwt({ secret: SECRET }).verify((await signup(server.url, JOE), await login(server.url, JOE)));
  });

  it('a terminal gets the verdict in colour, unless NO_COLOR is set', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), SECRET);
    const words = [...commandIn(ROOT), 'inspect', new Jwt({ secret: SECRET }).sign({}), '--secret-file', 'secrets'];
    const clean = ['env', '-u', 'CI', '-u', 'FORCE_COLOR', '-u', 'NO_COLOR', 'TERM=xterm'];
    // What makes a terminal.
    const script = ['script', '-qec', words.join(' '), '/dev/null'];
    const shown = async (...command: string[]) => (await run('', { command, cwd })).stdout;
    assert.match(await shown(...clean, ...script), /\n\x1b\[32mIt verifies now\.\x1b\[39m\r\n$/);
    const PLAIN = [['NO_COLOR=1', ...script], ['FORCE_COLOR=1', 'NO_COLOR=1', ...script], words];
    for (const command of PLAIN) {
      assert.match(await shown(...clean, ...command), /^[^\x1b]*\nIt verifies now\.[^\x1b]*$/);
    }
  });

  it('of several secrets the first signs and all verify, in the file and in the variable', async () => {
    const cwd = await emptyFolder();
    const [before, after] = [SECRET, OTHER_SECRET].map((secret) => new Jwt({ secret }));
    const data = join(cwd, 'latchkey-data');
    await mkdir(data);
    await writeFile(join(data, 'secret'), `${OTHER_SECRET}\r\n${SECRET}\r\n`, { mode: 0o600 });
    for (const env of [{}, { LATCHKEY_SECRET: `${OTHER_SECRET}\n${SECRET}` }]) {
      const server = await serve('serve --port 0 --scrypt-cost 1 --throttle off', { cwd, env });
      assert.match(server.output.stdout, /, 2 secrets, the first to sign, in (LATCHKEY_|latchkey-data\/)secret\./i);
      await signup(server.url, JOE);
      after?.verify(await login(server.url, JOE));
      const token = before?.sign({ identity: 'joe' });
      const { status } = await send(`${server.url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
      assert.equal(status, 200);
      server.child.kill('SIGTERM');
      await server.ended;
    }
  });
});
