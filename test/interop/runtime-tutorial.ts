/**
 * The tutorial over a real socket, with the file store, as a program that Deno and Bun run. It
 * prints `done` if all of it holds. Usage: <runtime> runtime-tutorial.ts <user file>
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import {
  createApp,
  currentIdentity,
  generateSecret,
  JsonFileUserStore,
  listen,
  PasswordHasher,
} from '../../src/index.ts';

const [file = ''] = process.argv.slice(2);
const JOE = { username: 'joe', password: 'correct horse' };
const passwords = new PasswordHasher({ logN: 4 });
const store = await JsonFileUserStore.open(file);
const app = createApp({ secret: generateSecret(), users: store, passwords });
let isSlowBegun = false;
app.get('/slow', async () => {
  isSlowBegun = true;
  await new Promise((resolve) => setTimeout(resolve, 100));
  return 'slow';
});
app.get('/who', () => currentIdentity() ?? 'no user');
const server = await listen(app, { port: 0 });

async function send(path: string, body?: object, token = ''): Promise<[number, unknown]> {
  const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: token }) };
  const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(server.url + path, { ...options, headers });
  return [response.status, await response.json()];
}

const created = { Status: 'Success', result: 'User created' };
assert.deepEqual(await send('/signup', JOE), [200, created]);
const taken = { Status: 'Error', result: 'User already exists' };
assert.deepEqual(await send('/signup', JOE), [400, taken]);
const [, login] = await send('/auth', JOE);
const token = Object(login).access_token;
const greeting = { Status: 'Success', result: 'Hello joe' };
assert.deepEqual(await send('/hello', undefined, `JWT ${token}`), [200, greeting]);
assert.deepEqual(await send('/who', undefined, `JWT ${token}`), [200, 'no user']);
assert.equal((await send('/hello'))[0], 401);
assert.equal((await send('/hello', undefined, `JWT ${token}x`))[0], 401);
assert.equal((await send('/auth', { ...JOE, password: 'correct house' }))[0], 401);
assert.equal((await send('/auth', { ...JOE, username: 'ann' }))[0], 401);
await assert.rejects(passwords.hash('x\0'), { code: 'ERR_PASSWORD_INVALID' });

// A request in flight ends, and a second process could not open the file before the store closes.
const slow = send('/slow');
while (!isSlowBegun) await new Promise((resolve) => setTimeout(resolve, 5));
await assert.rejects(JsonFileUserStore.open(file), { code: 'ERR_STORE_LOCKED' });
await server.close();
assert.deepEqual(await slow, [200, 'slow']);
const late = connect(server.port, '127.0.0.1');
const outcome = await new Promise((resolve) => {
  late.on('connect', () => resolve('accepted'));
  late.on('error', () => resolve('refused'));
});
assert.equal(outcome, 'refused');
await store.close();
const reopened = await JsonFileUserStore.open(file);
assert.equal((await reopened.find('joe'))?.username, 'joe');
await reopened.close();
console.log('done');
