/**
 * Serves sign-in and `GET /hello`, in a process of its own: `sign-in-server.ts <bare|latchkey>`.
 * latchkey keeps users and sessions in memory, without rate limits.
 */
import { createHmac, createSecretKey } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { latchkey } from '../harness/built.ts';
import { hash, isRight, LOG_N, PASSWORD } from '../harness/scrypt.ts';
import { SECRET } from '../harness/secret.ts';
import { ANSWER, portOf, tellParent } from './hello-child.ts';

const { createApp, listen, MemorySessionStore, MemoryUserStore, PasswordHasher, Sessions } =
  latchkey;

/** The baseline: one scrypt, one comparison and one MAC for a token. `/hello` checks nothing. */
async function serveBare(): Promise<number> {
  const key = createSecretKey(SECRET, 'utf8');
  const hashes = new Map([['joe', await hash(PASSWORD)]]);
  const replyTo = async (body: string): Promise<object | undefined> => {
    if (body === '') return ANSWER;
    const { username, password } = JSON.parse(body) as { username: string; password: string };
    if (!(await isRight(password, hashes.get(username) ?? ''))) return undefined;
    const payload = Buffer.from(JSON.stringify({ identity: username })).toString('base64url');
    const mac = createHmac('sha256', key).update(payload).digest('base64url');
    return { access_token: `${payload}.${mac}` };
  };
  return portOf(
    createServer(async (request, response) => {
      const reply = await replyTo(await text(request));
      const status = reply === undefined ? 401 : 200;
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(reply ?? {}));
    }),
  );
}

async function serveLatchkey(): Promise<number> {
  const app = createApp({
    users: new MemoryUserStore(),
    secret: SECRET,
    sessions: new Sessions({ store: new MemorySessionStore() }),
    passwords: new PasswordHasher({ logN: LOG_N }),
    limits: false,
  });
  await app.accounts.signup({ username: 'joe', password: PASSWORD });
  return (await listen(app, { port: 0 })).port;
}

const [way] = process.argv.slice(2);
tellParent({ port: await (way === 'bare' ? serveBare() : serveLatchkey()) });
