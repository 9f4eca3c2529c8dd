/** What `latchkey inspect` prints about a token, and whether the token verifies. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { RefreshTokens } from '../../../src/auth/refresh-token.ts';
import { decodeUnverified, Jwt } from '../../../src/crypto/jwt.ts';
import { OTHER_SECRET } from '../../support/command-client.ts';
import { LONG } from '../../support/long.ts';
import { assertRefused, command, emptyFolder, run } from '../../support/run-command.ts';
import { base64url, SECRET } from '../../support/tokens.ts';

describe('latchkey inspect', { concurrency: 4, timeout: 120_000 }, () => {
  it('prints header, claims and times, and that nothing was verified', async () => {
    const options = { secret: SECRET, now: () => 1_000_000_000, lifetimeSeconds: 60 };
    const token = new Jwt(options).sign({ identity: 'joe' });
    const { code, stdout, stderr } = await run(`inspect ${token}`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const [, ...printed] = /header (\{[^}]+\})\s+claims (\{[^}]+\})/.exec(stdout) ?? [];
    const parts = printed.map((json) => JSON.parse(json));
    assert.deepEqual(parts, Object.values(decodeUnverified(token)));
    const times = /iat.*2001-09-09T01:46:40[^]*exp.*2001-09-09T01:47:40[^]*Not verified/;
    assert.match(stdout, times);
  });

  it('prints what could control the terminal as escapes, and only numbers as times', async () => {
    // By hand, because JSON.stringify does not write 1e400. Not escaped here: DEL, CSI as one
    // character, a change of text direction and a tag.
    const escapes = '"\\u001b[2J":"\\u001b[2J\x7f\x9b2J\u202e\u{e0041}\\ud800\\r\\n"';
    const claims = `{"exp":1e400,"iat":"5","nbf":-1e400,${escapes}}`;
    const token = ['{"alg":"\\u009b2J"}', claims].map(base64url).join('.');
    const { code, stdout, stderr } = await run(`inspect ${token}.`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.doesNotMatch(stdout, /[^\P{C}\n]/u);
    const key = String.raw`"\\u001b\[2J": `;
    const tag = '(e0041|db40.*dc41)';
    const value = String.raw`"\\u001b\[2J\\.*7f.*9b.*2J\\.*202e.*\\.*${tag}.*\\ud800\\r\\n"`;
    assert.match(stdout, RegExp(key + value));
    assert.doesNotMatch(stdout, /1970|Invalid/);
    assert.match(stdout, /^nbf is beyond the range of numbers, as 1e400 is\nexp is beyond/m);
    // Characters without width, or that look like a space, would make two names look the same.
    const alike = '{"identity":"joe\u3164\ufe0f\u2028\u00a0"}';
    const shown = await run(`inspect e30.${base64url(alike)}.`);
    assert.match(shown.stdout, /"joe\\u\{3164\}\\u\{fe0f\}\\u\{2028\}\\u\{a0\}"/);
  });

  it('does not repeat a text that is not a token', async () => {
    const ended = await run('inspect no.token');
    assertRefused(ended, 1, []);
    assert.doesNotMatch(ended.stderr, /no\.token/);
  });

  it('tells whether a token verifies with the secrets in a file, else ends with 1', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), `${OTHER_SECRET}\n${SECRET}\n`);
    const signed = (options: object) => {
      return new Jwt({ secret: SECRET, ...options }).sign({ identity: 'joe' });
    };
    const now = Date.now() / 1000;
    const EXPIRED = 'Signature has expired (ERR_JWT_EXPIRED)';
    const FORGED = 'Signature verification failed (ERR_JWT_SIGNATURE)';
    const VALID = 'Valid: the signature and the times are right.';
    const VERDICTS: readonly [token: string, code: number, verdict: string][] = [
      [signed({}), 0, VALID],
      [signed({ secret: OTHER_SECRET }), 0, VALID],
      [signed({ now: () => now - 311 }), 1, `Not valid: ${EXPIRED}`],
      [signed({ secret: `${SECRET}!` }), 1, `Not valid: ${FORGED}`],
    ];
    await Promise.all(VERDICTS.map(async ([token, code, verdict]) => {
      const ended = await run(`inspect ${token} --secret-file secrets`, { cwd });
      const last = ended.stdout.split('\n').at(-2);
      assert.deepEqual([ended.code, last, ended.stderr], [code, verdict, '']);
    }));
    const [[token] = assert.fail()] = VERDICTS;
    const inspect = (file: string) => run(`inspect ${token} --secret-file ${file}`, { cwd });
    assertRefused(await inspect('none'), 1, [/--secret-file.*none/]);
    await writeFile(join(cwd, 'secrets'), `${SECRET}\nshort\n`);
    assertRefused(await inspect('secrets'), 1, [/--secret-file.*32 bytes, got 5/]);
  });

  it('errors that name the right culprit: a token in the place of the file', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'eyes.some-long-name.of-a-file-with-secrets'), SECRET);
    const token = new Jwt({ secret: SECRET }).sign({ identity: 'joe' });
    const named = [/--secret-file expected a file with the secrets, got a token in its place/];
    for (const line of [`--secret-file ${token}`, `--secret-file ${token} secrets`]) {
      const ended = await run(`inspect ${line}`, { cwd });
      assertRefused(ended, 2, named);
      assert.doesNotMatch(ended.stderr, /eyJ/);
    }
    const file = 'eyes.some-long-name.of-a-file-with-secrets';
    assert.equal((await run(`inspect ${token} --secret-file ${file}`, { cwd })).code, 0);
  });

  it('errors that name the right culprit: a right signature is not blamed', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), SECRET);
    const signed = (options: object, claims = {}) => {
      return new Jwt({ secret: SECRET, ...options }).sign(claims);
    };
    const byHand = (claims: string) => {
      const input = `${base64url('{"alg":"HS256"}')}.${base64url(claims)}`;
      return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
    };
    const RIGHT = 'The signature is right.';
    const needs = (problem: string, option: string) => {
      return `${RIGHT} But ${problem}: a Jwt needs the option "${option}" to accept the token.`;
    };
    const NOTES: readonly [token: string, note: string | undefined][] = [
      [signed({ audience: 'api' }), needs('inspect knows no audience', 'audience')],
      [signed({ type: 'at+jwt' }), needs('inspect expects the typ JWT', 'type')],
      [byHand('{}'), needs('inspect expects exp, iat and nbf', 'requiredClaims')],
      [signed({ now: () => 1_000_000_000 }), RIGHT],
      [signed({ maxTokenLength: 20_000 }, { text: 'x'.repeat(10_000) }), undefined],
      [signed({}), undefined],
    ];
    for (const [token, note] of NOTES) {
      const { stdout } = await run(`inspect ${token} --secret-file secrets`, { cwd });
      assert.equal(stdout.split('\n').find((line) => line.startsWith(RIGHT)), note);
    }
  });

  it('says what a refresh token is for, and that only the server knows if a session lasts', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), SECRET);
    const now = Math.floor(Date.now() / 1000);
    const session = { id: 'S'.repeat(22), generation: 3, startedAt: now, endsAt: now + 60 };
    const refreshToken = (changes: Partial<typeof session>, secret = SECRET) => {
      return new RefreshTokens({ secret }).sign('joe', { ...session, ...changes });
    };
    const signed = (options: object, claims = {}) => {
      return new Jwt({ secret: SECRET, ...options }).sign(claims);
    };
    const REFRESH = 'This is a refresh token: POST /refresh takes it, a guard does not.';
    const SESSION = 'It names a session: only the server knows whether that session has ended.';
    const VALID = 'Valid: the signature and the times are right.';
    const EXPIRED = 'Not valid: Signature has expired (ERR_JWT_EXPIRED)';
    const FORGED = 'Not valid: Signature verification failed (ERR_JWT_SIGNATURE)';
    const EXPECTED: readonly [token: string, code: number, notes: string[], verdict: string][] = [
      [refreshToken({}), 0, [REFRESH, SESSION], VALID],
      [refreshToken({ startedAt: now - 99, endsAt: now - 30 }), 1, [REFRESH, SESSION], EXPIRED],
      [refreshToken({}, OTHER_SECRET), 1, [REFRESH, SESSION], FORGED],
      [signed({}, { identity: 'joe', sid: session.id, gen: 3 }), 0, [SESSION], VALID],
      [signed({}, { identity: 'joe', gen: 3 }), 0, [], VALID],
    ];
    await Promise.all(EXPECTED.map(async ([token, code, notes, verdict]) => {
      const ended = await run(`inspect ${token} --secret-file secrets`, { cwd });
      const lines = ended.stdout.trimEnd().split('\n');
      const told = lines.filter((line) => line === REFRESH || line === SESSION);
      assert.deepEqual([ended.code, told, lines.at(-1)], [code, notes, verdict]);
      const decoded = await run(`inspect ${token}`);
      assert.deepEqual(decoded.stdout.split('\n').slice(-2 - notes.length, -2), notes);
      assert.equal(decoded.code, 0);
    }));
    // The type or the audience alone does not make a refresh token.
    for (const options of [{ type: 'refresh+jwt' }, { audience: 'latchkey:refresh' }]) {
      const line = `inspect ${signed(options)} --secret-file secrets`;
      const { code, stdout } = await run(line, { cwd });
      assert.equal(code, 1);
      assert.ok(!stdout.includes(REFRESH) && stdout.includes('But inspect '));
    }
  });

  it('errors that name the right culprit: how many segments a text has', async () => {
    assertRefused(await run('inspect a.b.c.d.e'), 1, [/5 segments, as encrypted tokens \(JWE\) /]);
    assertRefused(await run('inspect ab'), 1, [/not a token: it has 1 segment\./]);
    assertRefused(await run('inspect a.b.c'), 1, [/not a token: Invalid header\./]);
  });

  it('errors that name the right culprit: claims that nest too deeply for the stack', LONG, async () => {
    const nested = (levels: number) => {
      const claims = `{"exp":0,"deep":${'['.repeat(levels)}${']'.repeat(levels)}}`;
      return `e30.${base64url(claims)}.`;
    };
    for (const levels of [100, 40_000]) {
      const { code, stdout, stderr } = await run(`inspect ${nested(levels)}`);
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.match(stdout, /claims \(more than 100 levels deep, not printed\)\nexp is 1970/);
    }
    const { stdout } = await run(`inspect ${nested(99)}`);
    assert.equal(stdout.match(/\[/g)?.length, 99);
  });

  it('options that the command lacks: --leeway decides which times are valid', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), SECRET);
    const now = Date.now() / 1000;
    const token = new Jwt({ secret: SECRET, now: () => now + 60 }).sign({});
    const verdict = async (flags: string) => {
      const line = `inspect ${token} --secret-file secrets ${flags}`;
      const { code, stdout } = await run(line, { cwd });
      return [code, stdout.split('\n').at(-2)];
    };
    const FUTURE = 'Issued At claim (iat) cannot be in the future. (ERR_JWT_ISSUED_IN_FUTURE)';
    assert.deepEqual(await verdict(''), [1, `Not valid: ${FUTURE}`]);
    assert.deepEqual(await verdict('--leeway 30'), [1, `Not valid: ${FUTURE}`]);
    assert.equal((await verdict('--leeway 70'))[0], 0);
  });

  it('accepts a token with its scheme, as it stands in a header', async () => {
    const token = new Jwt({ secret: SECRET }).sign({ identity: 'joe' });
    const bare = await run(`inspect ${token}`);
    assert.equal(bare.code, 0);
    const fromHeader = [...command(), 'inspect', ` JWT ${token} `];
    const { code, stdout, stderr } = await run('', { command: fromHeader });
    const around = 'white space, a scheme';
    const note = `Ignored around the token: ${around}. Jwt.verify accepts only the token itself.\n`;
    assert.deepEqual({ code, stdout: stdout.replace(note, ''), stderr }, bare);
    assert.ok(stdout.includes(note));
  });

  it('colours the verdict on a terminal, unless NO_COLOR is set', LONG, async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'secrets'), SECRET);
    const token = new Jwt({ secret: SECRET }).sign({});
    const words = [...command(), 'inspect', token, '--secret-file', 'secrets'];
    const clean = ['env', '-u', 'CI', '-u', 'FORCE_COLOR', '-u', 'NO_COLOR', 'TERM=xterm'];
    // script(1) runs a command on a terminal of its own.
    const script = ['script', '-qec', words.join(' '), '/dev/null'];
    const shown = async (...line: string[]) => (await run('', { command: line, cwd })).stdout;
    assert.match(await shown(...clean, ...script), /\n\x1b\[32mValid: .*\.\x1b\[39m\r\n$/);
    const PLAIN = [['NO_COLOR=1', ...script], ['FORCE_COLOR=1', 'NO_COLOR=1', ...script], words];
    for (const line of PLAIN) {
      assert.match(await shown(...clean, ...line), /^[^\x1b]*\nValid: [^\x1b]*$/);
    }
  });
});
