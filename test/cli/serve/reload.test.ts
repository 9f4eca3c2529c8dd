/** SIGHUP renews the secrets, and the certificate with its key, from the files that can be used. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { reload } from '../../../src/cli/serve/reload.ts';
import { createApp, Jwt, listen, MemoryUserStore } from '../../../src/index.ts';
import { cheapPasswords, send } from '../../support/app.ts';
import { FIRST, SECOND } from '../../support/certificates.ts';
import { JOE, login, OTHER_SECRET, signup } from '../../support/command-client.ts';
import { startLoad, type LoadResult } from '../../support/load.ts';
import { emptyFolder, logLines, serve, stop } from '../../support/run-command.ts';
import { SECRET } from '../../support/tokens.ts';

/** Puts a file in the place of another, as an operator should: a reader finds one or the other. */
async function replace(path: string, text: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** A server of this process over files of a folder, until the test ends. */
async function reloadSetup(t: TestContext) {
  const folder = await emptyFolder();
  const paths = {
    secret: join(folder, 'secret'),
    cert: join(folder, 'cert.pem'),
    key: join(folder, 'key.pem'),
  };
  await replace(paths.secret, SECRET);
  await replace(paths.cert, FIRST.cert);
  await replace(paths.key, FIRST.key);
  const users = new MemoryUserStore();
  const app = createApp({ secret: SECRET, users, passwords: cheapPasswords() });
  const server = await listen(app, { port: 0, tls: FIRST });
  t.after(() => server.close());
  const pairs: unknown[] = [];
  const { auth } = app;
  const user = await app.accounts.signup({ username: 'joe', password: 'correct horse' });
  return {
    folder,
    paths,
    /** The certificates that the server got. */
    pairs,
    /** @returns whether a new token is signed with this secret */
    signsWith: async (secret: string) => {
      const { access_token: token } = await auth.issue(user);
      try {
        return new Jwt({ secret }).verify(token) !== undefined;
      } catch {
        return false;
      }
    },
    /** @returns what a reload logs, without the folder */
    run: async (secretFile: string | undefined = paths.secret) => {
      const lines: string[] = [];
      const renewable = {
        auth,
        secretFile,
        server: {
          renewTls: (pair: Parameters<typeof server.renewTls>[0]) => {
            server.renewTls(pair);
            pairs.push(String(pair.cert));
          },
        },
        tlsPaths: { cert: paths.cert, key: paths.key },
      };
      await reload(renewable, (event, detail) => lines.push(`${event} ${detail}`));
      return lines.map((line) => line.replaceAll(`${folder}/`, ''));
    },
  };
}

const RELOADED = 'tls the certificate was reloaded';

describe('a reload', { concurrency: 4, timeout: 60_000 }, () => {
  it('renews the secrets and the certificate, and tells how many secrets there are', async (t) => {
    const { paths, run, signsWith, pairs } = await reloadSetup(t);
    assert.deepEqual(await run(), ['reload the secrets were reloaded: 1 in secret', RELOADED]);
    await replace(paths.secret, `${OTHER_SECRET}\n${SECRET}\n`);
    await replace(paths.cert, SECOND.cert);
    await replace(paths.key, SECOND.key);
    const ofTwo = 'reload the secrets were reloaded: 2 in secret, of which the first signs';
    assert.deepEqual(await run(), [ofTwo, RELOADED]);
    assert.ok(await signsWith(OTHER_SECRET));
    assert.deepEqual(pairs, [String(FIRST.cert), String(SECOND.cert)]);
  });

  it('a bad secret leaves the old one in use, and the certificate is still renewed', async (t) => {
    const { folder, paths, run, signsWith } = await reloadSetup(t);
    const inUse = 'error the old secret stays in use: secret';
    const told = async () => {
      const [ofSecret = '', ofTls] = await run();
      assert.equal(ofTls, RELOADED);
      assert.ok(await signsWith(SECRET), ofSecret);
      assert.doesNotMatch(ofSecret, /marker/);
      return ofSecret;
    };
    await replace(paths.secret, 'marker');
    assert.match(await told(), RegExp(`^${inUse} expected at least 32 bytes, got 6 bytes\\. `));
    await replace(paths.secret, `# marker of old times\n${OTHER_SECRET}`);
    assert.match(await told(), RegExp(`^${inUse} expected no comment,`));
    await replace(paths.secret, '');
    const again = 'The next restart needs it too. Repair it, and send SIGHUP again.';
    assert.equal(await told(), `${inUse} is not complete. ${again}`);
    await chmod(paths.secret, 0o666);
    const forging = 'Other users could forge tokens: chown and chmod it, and send SIGHUP again.';
    assert.equal(await told(), `${inUse} can be written by every user. ${forging}`);
    await replace(paths.secret, 'x'.repeat(70_000));
    const tooLarge = 'expected at most 65536 bytes, got 70000';
    assert.equal(await told(), `${inUse}: ${tooLarge}. ${again}`);
    await rm(paths.secret);
    await mkdir(paths.secret);
    assert.equal(await told(), `${inUse}: expected a regular file, got a folder. ${again}`);
    await rmdir(paths.secret);
    const missing = await told();
    assert.match(missing, RegExp(`^${inUse}: ENOENT: .*'\\. Put it back, and send SIGHUP again: `));
    assert.deepEqual((await readdir(folder)).sort(), ['cert.pem', 'key.pem'], 'none is made');
    await replace(paths.secret, OTHER_SECRET);
    await chmod(paths.secret, 0o644);
    assert.match((await run()).join(), /^warning secret is accessible to other users: .*,reload /);
    assert.ok(await signsWith(OTHER_SECRET));
  });

  it('a bad certificate or key leaves the old pair in use, and does not keep the secret', async (t) => {
    const { paths, run, signsWith, pairs } = await reloadSetup(t);
    const inUse = 'error the old certificate stays in use: --tls-';
    const told = async (secret: string) => {
      await replace(paths.secret, secret);
      const [ofSecret, ofTls = ''] = await run();
      assert.equal(ofSecret, 'reload the secrets were reloaded: 1 in secret');
      assert.ok(await signsWith(secret));
      assert.ok(ofTls.startsWith(inUse), ofTls);
      return ofTls.slice(inUse.length);
    };
    await replace(paths.cert, SECOND.cert);
    assert.match(await told(OTHER_SECRET), /^key: key\.pem: expected /);
    await rm(paths.key);
    assert.match(await told(SECRET), /^key: ENOENT: /);
    await replace(paths.key, SECOND.key);
    await replace(paths.cert, 'no certificate');
    assert.match(await told(OTHER_SECRET), /^cert: cert\.pem: expected /);
    assert.deepEqual(pairs, []);
    await replace(paths.cert, SECOND.cert);
    assert.equal((await run())[1], RELOADED);
  });
});

/** @returns the status and the code of a refusal */
async function hello(url: string, token: string) {
  const headers = { Authorization: `JWT ${token}` };
  const { status, headers: answered } = await send(`${url}/hello`, 'GET', undefined, headers);
  return [status, answered.get('Error-Code')];
}

/** Asserts that every request of a load was accepted, and that there were some. */
function assertNoneLost({ statuses, lost }: LoadResult): void {
  assert.deepEqual([Object.keys(statuses), lost], [['200'], []]);
  assert.ok(Number(statuses[200]) > 20, String(statuses[200]));
}

describe('latchkey serve at SIGHUP', { concurrency: 2, timeout: 60_000 }, () => {
  it('rotates the secret under load: no request is lost, and the old secret ends', async () => {
    const cwd = await emptyFolder();
    const server = await serve('serve --port 0 --scrypt-cost 1 --log json', { cwd });
    const { url, child, output } = server;
    const path = join(cwd, 'latchkey-data/secret');
    const before = (await readFile(path, 'utf8')).trim();
    const rotate = async (secrets: string, line: RegExp) => {
      const read = output.stderr.length;
      await replace(path, secrets);
      child.kill('SIGHUP');
      while (!line.test(output.stderr.slice(read))) await delay(5);
    };
    assert.equal(await signup(url, JOE), 200);
    const old = await login(url, JOE);
    const load = startLoad(url, () => `JWT ${old}`);
    await load.begun;
    const two = /"reload","detail":"the secrets were reloaded: 2 in /;
    for (let round = 0; round < 4; round += 1) {
      await rotate(`${OTHER_SECRET}\n${before}`, two);
      await rotate(`${before}\n${OTHER_SECRET}`, two);
    }
    await rotate(`${OTHER_SECRET}\n${before}`, two);
    assertNoneLost(await load.stop());
    const renewed = await login(url, JOE);
    const later = startLoad(url, () => `JWT ${renewed}`);
    await later.begun;
    const one = /"reload","detail":"the secrets were reloaded: 1 in /;
    for (let round = 0; round < 6; round += 1) await rotate(OTHER_SECRET, one);
    assertNoneLost(await later.stop());
    assert.deepEqual(await hello(url, old), [401, 'ERR_JWT_SIGNATURE']);
    assert.deepEqual(await hello(url, renewed), [200, null]);
    await rotate('too short', /"error","detail":"the old secret stays in use: /);
    assert.deepEqual(await hello(url, renewed), [200, null]);
    const { code, stderr } = await stop(server);
    assert.equal(code, 0);
    assert.equal(logLines(stderr).filter(({ event }) => event === 'error').length, 1);
    assert.doesNotMatch(stderr, RegExp(`${before}|${OTHER_SECRET}`));
  });

  it('with LATCHKEY_SECRET the secret stays, and the log tells that a restart changes it', async () => {
    const cwd = await emptyFolder();
    const env = { LATCHKEY_SECRET: SECRET };
    const server = await serve('serve --port 0 --users memory --scrypt-cost 17', { cwd, env });
    server.child.kill('SIGHUP');
    await once(server.child.stderr, 'data');
    const { code, stderr } = await stop(server);
    assert.equal(code, 0);
    const reason = 'LATCHKEY_SECRET is read at the start, so only a restart can change it';
    assert.equal(stderr, `latchkey: the secret stays in use: ${reason}\n`);
    assert.deepEqual(await readdir(cwd), []);
  });
});
