/** The socket of a server: its place, its requests and its failures. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { AuthError, MemoryUserStore } from '../../../src/index.ts';
import { socketIn } from '../../../src/cli/administration/administration-folder.ts';
import { serveAdministration } from '../../../src/cli/administration/administration.ts';
import { EVENTS } from '../../../src/events.ts';
import { PASSWORD } from '../../support/accounts.ts';
import { dataFolder, direct, overSocket } from '../../support/administration.ts';
import { modeOf } from '../../support/run-command.ts';

/** Sends a request over a socket. @returns the status, the code in the header and the body */
function post(socketPath: string, path: string, body: string, type = 'application/json') {
  return new Promise<[number | undefined, unknown, unknown]>((resolve, reject) => {
    const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
    const sent = request({ socketPath, method: 'POST', path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      const { statusCode, headers: { 'error-code': code } } = response;
      response.on('end', () => resolve([statusCode, code, JSON.parse(text)]));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

describe('the administration of a server', () => {
  it('listens in a folder for its owner alone, and leaves nothing behind', async () => {
    const { data, stop } = await overSocket();
    assert.deepEqual(await readdir(data), ['administration']);
    assert.equal(await modeOf(dirname(socketIn(data))), '700');
    assert.equal(await modeOf(socketIn(data)), '660');
    await stop();
    assert.deepEqual(await readdir(data), []);
  });

  it('refuses what is not one of its requests, and each has a twin that it answers', async () => {
    const { data } = await overSocket();
    const rows: [string, object, number, string | undefined][] = [
      ['/add', { username: 'joe' }, 400, 'ERR_BAD_REQUEST'],
      ['/add', { username: 'joe', password: 7 }, 400, 'ERR_BAD_REQUEST'],
      ['/add', [], 400, 'ERR_BAD_REQUEST'],
      ['/add', { username: 'joe', password: PASSWORD }, 200, undefined],
      ['/disable', { name: 'joe' }, 400, 'ERR_BAD_REQUEST'],
      ['/disable', { username: 'joe' }, 200, undefined],
      ['/import-user', { id: 'jim' }, 400, 'ERR_BAD_REQUEST'],
      ['/import-removed-name', { id: 'jim', removedAt: '1' }, 400, 'ERR_BAD_REQUEST'],
      ['/import-removed-name', { id: 'jim', removedAt: 1 }, 200, undefined],
      ['/signup', { username: 'jim', password: PASSWORD }, 404, 'ERR_NOT_FOUND'],
      ['/list', { after: 'x'.repeat(17_000) }, 413, 'ERR_BODY_TOO_LARGE'],
      ['/list', { after: 'x'.repeat(16_000) }, 200, undefined],
    ];
    for (const [path, body, expected, expectedCode] of rows) {
      const [status, code] = await post(socketIn(data), path, JSON.stringify(body));
      assert.deepEqual([status, code], [expected, expectedCode], `${path} ${Object.keys(body)}`);
    }
    const [status] = await post(socketIn(data), '/list', '{}', 'text/plain');
    assert.equal(status, 415);
  });

  it('publishes no refusal for a mistake of an operator', async () => {
    const { data, administration } = await overSocket();
    const refusals: unknown[] = [];
    const onRefusal = (message: unknown) => refusals.push(message);
    subscribe(EVENTS.refusal.name, onRefusal);
    await assert.rejects(administration.add('joe', 'short'));
    assert.equal(await administration.setPassword('joe', PASSWORD), undefined);
    assert.deepEqual(refusals, []);
    await post(socketIn(data), '/other', '{}');
    unsubscribe(EVENTS.refusal.name, onRefusal);
    assert.equal(refusals.length, 1);
  });

  it('logs why a store fails, and tells the operator', async () => {
    class FullStore extends MemoryUserStore {
      override insert(): never {
        throw new AuthError('ERR_STORE', { cause: new Error('no space left on device') });
      }
    }
    const { administration, logged } = await overSocket({ users: new FullStore() });
    const error: unknown = await administration.add('joe', PASSWORD).catch((reason) => reason);
    assert.ok(error instanceof AuthError && error.cause instanceof Error);
    assert.deepEqual([error.code, error.status], ['ERR_STORE', 503]);
    assert.equal(error.message, 'The user store is unavailable');
    assert.equal(error.cause.message, 'no space left on device');
    assert.deepEqual(logged, [['error', 'no space left on device']]);
  });

  it('is a warning if it cannot listen', async () => {
    const long = join(await dataFolder(), 'x'.repeat(80));
    await mkdir(long);
    const taken = await dataFolder();
    await writeFile(join(taken, 'administration'), '');
    const occupied = await dataFolder();
    await mkdir(join(occupied, 'administration/socket'), { recursive: true });
    for (const [data, reason] of [
      [long, /its path has more than 100 bytes$/],
      [taken, /administration is a file or a link, and must be a folder$/],
      [occupied, /socket: ./],
      [join(taken, 'missing'), /ENOENT/],
    ] as const) {
      const { administration, logged, log } = direct();
      assert.equal(await serveAdministration(data, administration, log), undefined);
      const [line, ...others] = logged;
      assert.deepEqual([line?.[0], others], ['warning', []]);
      const start = /^"latchkey users" does not work while this server runs, because it cannot /;
      assert.match(String(line?.[1]), start);
      assert.match(String(line?.[1]), reason);
    }
    assert.deepEqual(await readdir(long), [], 'no folder is left');
  });
});
