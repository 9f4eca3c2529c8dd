/** Serves a middleware of latchkey/express on plain node:http. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExpressMiddleware } from '../../src/express.ts';
import { withNodeServer } from './guard.ts';

/** Serves a middleware. What it passes to `next` is in `errors`, and is answered with 299. */
export async function serve(
  middleware: ExpressMiddleware,
  use: (url: string, errors: unknown[], port: number) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const handle = (req: IncomingMessage, res: ServerResponse) =>
    middleware(req, res, (error) => {
      errors.push(error);
      res.writeHead(299).end();
    });
  await withNodeServer(handle, (port, url) => use(url, errors, port));
}
