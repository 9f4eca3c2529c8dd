/** Serves `GET /hello`, in a process of its own: `hello-server.ts <bare|latchkey|uncached>`. */
import { createServer } from 'node:http';
import { latchkey } from '../harness/built.ts';
import { ANSWER, portOf, storedUser, tellParent } from './hello-child.ts';
import { SECRET } from '../harness/secret.ts';

/** The baseline: sends the same bytes without reading the request. */
function serveBare(): Promise<number> {
  const text = `${JSON.stringify(ANSWER)}\n`;
  return portOf(
    createServer((_message, response) => {
      response.writeHead(200, {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(text),
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      });
      response.end(text);
    }),
  );
}

/** @param cacheSize 0 to compute a MAC for each request */
async function serveLatchkey(cacheSize: number): Promise<number> {
  const users = new latchkey.MemoryUserStore();
  users.insert(storedUser('joe'));
  return (
    await latchkey.listen(latchkey.createApp({ users, secret: SECRET, cacheSize }), { port: 0 })
  ).port;
}

const [way] = process.argv.slice(2);
const port = way === 'bare' ? serveBare() : serveLatchkey(way === 'uncached' ? 0 : 1000);
tellParent({ port: await port });
