/**
 * Serves sign-in and `GET /hello` with better-auth over its memory adapter, in a process of its
 * own. It first signs joe up and in. Its rate limits and its telemetry are off.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { fromNodeHeaders, toNodeHandler } from 'better-auth/node';
import { SECRET } from '../harness/secret.ts';
import { hash, isRight, PASSWORD } from '../harness/scrypt.ts';
import { answerTo, portOf, tellParent } from './hello-child.ts';

const server = createServer();
const port = await portOf(server);
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: SECRET,
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  emailAndPassword: {
    enabled: true,
    password: { hash, verify: (given) => isRight(given.password, given.hash) },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
});

/** Finds the session as the documents of better-auth show it for a route of the program. */
async function hello(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  const body = session === null ? { error: 'no session' } : answerTo(session.user.name);
  const text = JSON.stringify(body);
  response.writeHead(session === null ? 401 : 200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}

const handler = toNodeHandler(auth);
server.on('request', (request: IncomingMessage, response: ServerResponse) => {
  void (request.url === '/hello' ? hello(request, response) : handler(request, response));
});
const joe = { email: 'joe@example.com', password: PASSWORD };
await auth.api.signUpEmail({ body: { ...joe, name: 'joe' } });
const { headers } = await auth.api.signInEmail({ body: joe, returnHeaders: true });
const [cookie = ''] = headers.getSetCookie().map((line) => line.split(';')[0] ?? '');
tellParent({ port, users: [{ name: 'joe', proof: `Cookie: ${cookie}` }] });
