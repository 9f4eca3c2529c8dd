/** What the flags and the variables of `latchkey serve` accept, and which one wins. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { UsageError } from '../../../src/cli/command-errors.ts';
import { readServeConfig, SERVE_FLAGS } from '../../../src/cli/serve/flags.ts';
import { Jwt } from '../../../src/crypto/jwt.ts';
import { JOE, login, signup } from '../../support/command-client.ts';
import { assertRefused, command, emptyFolder, run, serve } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

/** No machine has this address (RFC 5737). To listen there fails, after all else was accepted. */
const NOWHERE = '192.0.2.1';
/** Without this mode the server warns. */
const PRIVATE = { mode: 0o600 };

describe('the flags of latchkey serve', { concurrency: 4, timeout: 120_000 }, () => {
  it('a flag wins over its variable, and a variable over the env file', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, '.env'), `HOST=${NOWHERE}\nLATCHKEY_SECRET=short\n`, PRIVATE);
    const env = { PORT: 'abc', HOST: '127.0.0.1', LATCHKEY_SECRET: SECRET };
    const server = await serve('serve --port 0 --environment .env --scrypt-cost 16', { cwd, env });
    assert.match(server.output.stderr, /^latchkey: .*--scrypt-cost 16.* 17 .*\n$/);
    assert.equal(await signup(server.url, JOE), 200);
    new Jwt({ secret: SECRET }).verify(await login(server.url, JOE));
    assert.match(await readFile(join(cwd, 'latchkey-data/users.jsonl'), 'utf8'), /\$ln=16,/);
    const files = await readdir(join(cwd, 'latchkey-data'));
    assert.ok(!files.includes('secret'), 'no secret is made that is not used');
  });

  it('the env file sets port and secret', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, '.env'), `\ufeffPORT=0\nLATCHKEY_SECRET="${SECRET}"\n`, PRIVATE);
    const passwords = '--scrypt-cost 1 --min-password-length 5';
    const flags = `--environment .env --host 127.0.0.1 --users memory --lifetime 60 ${passwords}`;
    const server = await serve(`serve ${flags}`, { cwd, env: { HOST: NOWHERE } });
    assert.notEqual(server.port, 3000);
    assert.equal(await signup(server.url, { ...JOE, password: 'four' }), 400);
    const user = { ...JOE, password: 'five5' };
    assert.equal(await signup(server.url, user), 200);
    const { exp, iat } = new Jwt({ secret: SECRET }).verify(await login(server.url, user));
    assert.equal(Number(exp) - Number(iat), 60);
    assert.deepEqual(await readdir(cwd), ['.env'], '--users memory leaves nothing on disk');
  });

  it('flags and signals: --env-file still names the file, if Node leaves it', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, '.env'), `HOST=${NOWHERE}\nLATCHKEY_SECRET=${SECRET}\n`, PRIVATE);
    // The file of an installed package begins with `node --`.
    const ended = await run('serve --env-file .env --users memory', { cwd });
    const problem = /the address 192\.0\.2\.1 .*: correct or remove HOST in \.env, or use/;
    assertRefused(ended, 1, [problem]);
  });

  it('flags and signals: Node leaves --environment to the command behind the script', async () => {
    const [node = '', , script = ''] = command();
    const ended = await run('serve --environment none', { command: [node, script] });
    assertRefused(ended, 1, [/^latchkey: --environment: ENOENT/]);
  });

  it('the largest numbers are accepted, and an address of another machine is named', async () => {
    const passwords = '--min-password-length 256 --scrypt-cost 20';
    const flags = `--port 65535 --lifetime 1000000000 --leeway 86400 ${passwords} --users memory`;
    const env = { HOST: NOWHERE, LATCHKEY_SECRET: SECRET };
    assertRefused(await run(`serve ${flags}`, { env }), 1, [/192\.0\.2\.1/, /--host/]);
  });
});

describe('a usage error', { concurrency: 4, timeout: 120_000 }, () => {
  const USAGE: readonly [line: string, word: RegExp, env?: Record<string, string>][] = [
    ['', /a command is missing: expected serve/],
    ['sreve', /unknown command: did you mean serve\? \(/],
    ['another.token', /unknown command: expected serve/],
    ['--port 3000', /a command is missing: expected serve/],
    ['serve --prot 3000', /unknown flag --prot: did you mean --port\?/],
    ['serve -port 3000', /unknown flag -p: did you mean --port\?/],
    ['serve --ENV-FILES .env', /unknown flag: did you mean --environment\?/],
    ['inspect --secretfile a b.c.d', /unknown flag --secretfile: did you mean --secret-file\?/],
    ['serve 4000', /: expected flags only, such as --port 4000 \(.* npm start -- .*\) \(/],
    ['serve another.token', /expected flags only/],
    ['inspect --another.token.that.is.one', /unknown flag/],
    ['serve --port', /--port/],
    ['serve', /environment variable PORT.*"abc"/, { PORT: 'abc' }],
    ['serve --port=-1', /--port.*"-1"/],
    ['serve --port=', /--port.*""/],
    ['serve --port 65536', /--port.*\b65535\b.*"65536"/],
    ['serve --lifetime 1.5', /--lifetime.*"1.5"/],
    ['serve --leeway 86401', /--leeway.*\b86400\b.*"86401"/],
    ['serve --lifetime 1e3', /--lifetime.*"1e3"/],
    ['serve --lifetime 0', /--lifetime.*"0"/],
    ['serve --min-password-length 257', /--min-password-length.*\b256\b.*"257"/],
    ['serve --scrypt-cost 21', /--scrypt-cost.*\b20\b.*"21"/],
    ['serve --users redis', /--users.*file.*memory/],
    ['serve --users mysql://joe@host/db', /--users.*postgres:/],
    ['serve --users postgres:', /--users.*postgres:/],
    ['serve --users postgres://[', /--users.*postgres:/],
    ['serve --users postgres://joe:1/hidden@host/database', /--users.*%2F/],
    ['serve --users postgres://joe:1?hidden@host/database', /--users.*%2F/],
    ['serve --users postgres://joe:1#hidden@host/database', /--users.*%2F/],
    ['serve --users postgres://joe:/hidden@host/database', /--users.*%2F/],
    ['serve --data=', /--data expected a folder, got ""/],
    ['serve --throttle maybe', /--throttle.*on or off.*"maybe"/],
    ['serve --trust-proxy yes', /--trust-proxy.*\b100\b.*"yes"/],
    ['serve --max-connections 0', /--max-connections.*"0"/],
    ['serve --page yes', /--page expected on or off, got "yes"/],
    ['serve --page', /--page expected on or off, got no value/],
    ['serve --cors=*', /--cors expected origins .*, got "\*"/],
    ['serve --cors=', /--cors expected origins .*, got ""/],
    ['serve --cors https://app.example/', /--cors expected origins .*, got "https:.*example\/"/],
    ['serve --log text', /--log.*none or json.*"text"/],
    ['serve --tls-cert cert.pem', /--tls-cert needs --tls-key/],
    ['serve --tls-key key.pem', /--tls-key needs --tls-cert/],
    ['serve --tls-cert= --tls-key key.pem', /--tls-cert expected a file in PEM, got ""/],
    ['serve --host=', /--host/],
    ['secret another.token', /expected no argument \(/],
    ['inspect', /the token \(.*\), or -, got 0/],
    ['inspect a.token another.token', /the token \(.*\), or -, got 2/],
  ];
  /** Of most lines only the message is read, because each process of the command takes time. */
  const isReadHere = (line: string) => /^serve --(?!port|prot|ENV)/.test(line);

  for (const [line, word, env = {}] of USAGE) {
    const variables = Object.entries(env).map((pair) => pair.join('='));
    const given = [...variables, 'latchkey', line].join(' ');
    it(`is told in one line, and leaves nothing behind: ${given}`, async () => {
      const cwd = await emptyFolder();
      if (isReadHere(line)) {
        process.chdir(cwd);
        for (const name of ['PORT', 'HOST', 'LATCHKEY_SECRET']) delete process.env[name];
        const [, ...args] = line.split(' ');
        await assert.rejects(readServeConfig(args), (error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, word);
          assert.doesNotMatch(error.message, /\n|another\.token/);
          return true;
        });
      } else {
        const ended = await run(line, { cwd, env });
        assertRefused(ended, 2, [word, /--help/]);
        assert.doesNotMatch(ended.stderr, /another\.token/);
      }
      assert.deepEqual(await readdir(cwd), []);
    });
  }
});

/** URLs of PostgreSQL, as libpq takes them, and the URL that pg gets; none for a refused one. */
const POSTGRES_URLS: readonly (readonly [text: string, url?: string])[] = [
  ['postgres://joe:pass@host:5432/db'],
  ['postgresql://'],
  ['postgres:///db'],
  ['postgres://host'],
  ['postgres:///db?host=/var/run/postgresql'],
  ['postgres://%2Fvar%2Frun%2Fpostgresql/db'],
  ['postgres://joe:a%2Fb%40c@[2001:db8::1]:5432/db?sslmode=require'],
  ['POSTGRES://host/db', 'postgres://host/db'],
  ['postgres://joe@/db', 'postgres:///db?user=joe'],
  ['postgres://joe@', 'postgres://?user=joe'],
  ['postgres://@/db', 'postgres:///db'],
  ['postgres://:5433/db', 'postgres:///db?port=5433'],
  ['postgres://joe:@:5433?host=/tmp', 'postgres://?user=joe&port=5433&host=/tmp'],
  [
    'postgres://joe:p+w%2F%26&=%40@/db?host=/cloudsql/a:b:c',
    'postgres:///db?user=joe&password=p%2Bw%2F%26%26=%40&host=/cloudsql/a:b:c',
  ],
];

/** The last ones would show a part of a password as a path or a host. */
const NOT_POSTGRES_URLS = [
  'postgres:/db', 'postgres:db', 'postgress://host/db', ' postgres://host/db', 'http://host/db',
  'postgres://host:x/db', 'postgres://joe@:x/db', 'postgres://[::1/db', 'postgres://joe@[/db',
  'postgres://joe:a@b@/db', 'postgres://joe:a@/b@host/db', 'postgres://joe:a@?b@host/db',
  'postgres://joe:a/b@/db', 'postgres:///joe:a@host/db',
];

it('grammars as wide as their RFC: any part of the URL of --users may be missing', () => {
  const { parse } = SERVE_FLAGS.users.kind;
  for (const [text, url = text] of POSTGRES_URLS) assert.equal(String(parse(text)), url, text);
  for (const text of NOT_POSTGRES_URLS) assert.equal(parse(text), undefined, text);
});
