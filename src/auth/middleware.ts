/**
 * The adapter for other people's servers: a guard for Express, Connect, Polka and any other server
 * that passes on the messages of node:http. Unlike the rest of this room it writes HTTP responses.
 */
import { AuthError } from '../errors.ts';
import type { HeaderSource } from './authorization.ts';
import { bindListeners, runAs, type Emitter } from './current-identity.ts';

/** A request of node:http. The guard sets its `identity`. */
export interface GuardedRequest<Identity> extends Emitter {
  /** The headers, by their names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Every value of each header, which `headers` does not always have. */
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>;
  /** What the hook `identity` of the JwtAuth returned. */
  identity?: Identity;
}

/** The parts of a response of node:http that a refusal needs. */
export interface RefusalResponse extends Emitter {
  /** Works as `writeHead` of node:http. */
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  /** Works as `end` of node:http. */
  end(body: string): unknown;
}

/** A middleware as Express, Connect and Polka take it. */
export type Middleware<Identity = unknown> = (
  req: GuardedRequest<Identity>,
  res: RefusalResponse,
  next: (error?: unknown) => void,
) => void;

/** @param authorize resolves to the identity or rejects with the refusal */
export function middlewareOf<Identity>(
  authorize: (request: HeaderSource) => Promise<Identity>,
): Middleware<Identity> {
  return async (req, res, next) => {
    let identity: Identity;
    try {
      identity = await authorize({ header: (name) => headerOf(req, name.toLowerCase()) });
      bindListeners(identity, req);
      bindListeners(identity, res);
      req.identity = identity;
    } catch (error) {
      return refuse(res, error, next);
    }
    runAs(identity, () => next());
  };
}

const NOT_AN_ERROR = 'a hook threw a value that is not an Error';

function refuse(res: RefusalResponse, error: unknown, next: (error: unknown) => void): void {
  try {
    if (!(error instanceof AuthError)) throw error;
    const { status, headers, body } = error;
    const json = JSON.stringify(body);
    res.writeHead(status, {
      ...headers,
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    res.end(json);
  } catch (failure) {
    // next(undefined) means success, and Express takes next('route') as "skip what follows".
    next(failure instanceof Error ? failure : new Error(NOT_AN_ERROR, { cause: failure }));
  }
}

/** When Authorization comes twice, `headers` of node:http has the first value alone. */
function headerOf(
  { headers, headersDistinct }: GuardedRequest<unknown>,
  name: string,
): string | undefined {
  const every = headersDistinct?.[name] ?? [];
  const value = every.length > 1 ? every : headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
