/** The guard for Express, Connect, Polka and whatever else hands on the messages of node:http. */
import { AuthError } from '../errors.ts';
import type { HeaderSource } from './authorization.ts';
import { bringInside, runAs, type Emitter } from './current-identity.ts';

/** A request as it is handed on, once it has passed the guard with its `identity`. */
export interface GuardedRequest<Identity> extends Emitter {
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Where there are any: each of those that came twice, too. */
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>;
  /** What `identity` of the JwtAuth answered. */
  identity?: Identity;
}

/** As much of a response as a refusal needs. */
export interface RefusalResponse extends Emitter {
  /** As that of node:http. */
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  /** As that of node:http. */
  end(body: string): unknown;
}

/** The least that Express, Connect, Polka and node:http have in common. */
export type Middleware<Identity = unknown> = (
  req: GuardedRequest<Identity>,
  res: RefusalResponse,
  next: (error?: unknown) => void,
) => void;

/** @returns the middleware over a guard that answers the identity or rejects */
export function middlewareOf<Identity>(authorize: (request: HeaderSource) => Promise<Identity>): Middleware<Identity> {
  return async (req, res, next) => {
    let identity: Identity;
    try {
      identity = await authorize({ header: (name) => headerOf(req, name.toLowerCase()) });
      bringInside(identity, req);
      bringInside(identity, res);
      req.identity = identity;
    } catch (error) {
      return refuse(res, error, next);
    }
    runAs(identity, () => next());
  };
}

function refuse(res: RefusalResponse, error: unknown, next: (error: unknown) => void): void {
  try {
    if (!(error instanceof AuthError)) throw error;
    const { status, headers, body } = error;
    const json = JSON.stringify(body);
    const own = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
    res.writeHead(status, { ...headers, 'Content-Type': 'application/json', ...own });
    res.end(json);
  } catch (failure) {
    // To next, undefined means that all is well, and Express takes 'route' for a way past what follows.
    next(failure instanceof Error ? failure : new Error('a hook threw what is no Error', { cause: failure }));
  }
}

/** Of two Authorization headers node:http has the first in `headers`, without a word about the other. */
function headerOf({ headers, headersDistinct }: GuardedRequest<unknown>, name: string): string | undefined {
  const given = headersDistinct?.[name] ?? [];
  const value = given.length > 1 ? given : headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
