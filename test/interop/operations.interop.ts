/**
 * What an operator does to a running server in a year: a password reset under load, and a rolling
 * update of two containers over one folder. The rotation of the secret is in test/cli/reload.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { kill } from 'node:process';
import { test } from 'node:test';
import { send } from '../support/app.ts';
import { ANN, JOE, login, signup } from '../support/command-client.ts';
import { startLoad } from '../support/load.ts';
import { command, emptyFolder, run, serve, start, stop } from '../support/run-command.ts';

const SERVE = 'serve --port 0 --scrypt-cost 1 --log json --data data';

const greet = async (url: string, token: string): Promise<number> => {
  return (await send(`${url}/hello`, 'GET', undefined, { authorization: `JWT ${token}` })).status;
};

test('a password reset under load takes effect at once, and no request is lost', async () => {
  const cwd = await emptyFolder();
  const server = await serve(SERVE, { cwd });
  const { url } = server;
  assert.deepEqual([await signup(url, ANN), await signup(url, JOE)], [200, 200]);
  const tokenOfAnn = await login(url, ANN);
  const tokenOfJoe = await login(url, JOE);
  const load = startLoad(url, () => `JWT ${tokenOfAnn}`);
  await load.begun;
  assert.equal(await greet(url, tokenOfJoe), 200);

  const reset = start('users set-password joe --data data', { cwd });
  reset.child.stdin.end('battery staple\n');
  assert.equal((await reset.ended).code, 0, reset.output.stderr);

  assert.equal(await greet(url, tokenOfJoe), 401);
  assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 401);
  assert.equal(await greet(url, await login(url, { ...JOE, password: 'battery staple' })), 200);
  const { statuses, lost } = await load.stop();
  assert.deepEqual([Object.keys(statuses), lost], [['200'], []]);
  assert.equal((await stop(server)).code, 0);
});

const IN_NAMESPACE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const hasNamespaces = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
const needsNamespaces = { skip: !hasNamespaces && 'unshare needs root', timeout: 120_000 };

/** @returns the PID of the server itself, which is a child of `unshare` */
async function pidInside(unsharePid: number | undefined): Promise<number> {
  const path = `/proc/${unsharePid}/task/${unsharePid}/children`;
  return Number((await readFile(path, 'utf8')).trim());
}

test('the second of two containers serves after the first', needsNamespaces, async () => {
  const cwd = await emptyFolder();
  const where = { cwd, command: [...IN_NAMESPACE, ...command()] };
  const first = await serve(SERVE, where);
  assert.equal(await signup(first.url, ANN), 200);
  const token = await login(first.url, ANN);
  const health = async (url: string) => (await send(`${url}/health`, 'GET')).status;

  // A rolling update starts the new container first. It must not look healthy.
  const early = await run(SERVE, where);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /is in use by process/);
  assert.doesNotMatch(early.stdout, /listens on/);
  assert.deepEqual([await health(first.url), await greet(first.url, token)], [200, 200]);

  kill(await pidInside(first.child.pid), 'SIGTERM');
  await first.ended;
  const second = await serve(SERVE, where);
  assert.deepEqual([await health(second.url), await greet(second.url, token)], [200, 200]);

  // A container that is killed leaves its lock behind.
  kill(await pidInside(second.child.pid), 'SIGKILL');
  await second.ended;
  const third = await serve(SERVE, where);
  assert.deepEqual([await health(third.url), await greet(third.url, token)], [200, 200]);
  kill(await pidInside(third.child.pid), 'SIGTERM');
  await third.ended;
});
