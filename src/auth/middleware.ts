/** The guard for Express, Connect, Polka and whatever else hands on the messages of node:http. */
import { AuthError } from '../errors.ts';
import type { HeaderSource } from './authorization.ts';
import { runAs, type RequestEvents } from './current-identity.ts';

/** A request as it is handed on, once it has passed the guard with its `identity`. */
export interface GuardedRequest<Identity> extends RequestEvents {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>;
  identity?: Identity;
}

/** As much of a response as a refusal needs. */
export interface RefusalResponse {
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
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
  return (req, res, next) => {
    authorize({ header: (name) => headerOf(req, name.toLowerCase()) }).then(
      (identity) => {
        req.identity = identity;
        runAs(identity, req, () => next());
      },
      (error: unknown) => {
        try {
          if (!(error instanceof AuthError)) throw error;
          refuse(res, error);
        } catch (failure) {
          // To next, undefined means that all is well, and Express takes 'route' for a way past what follows.
          next(failure instanceof Error ? failure : new Error('a hook threw what is no Error', { cause: failure }));
        }
      },
    );
  };
}

function refuse(res: RefusalResponse, { status, headers, body }: AuthError): void {
  const json = JSON.stringify(body);
  res.writeHead(status, { ...headers, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  res.end(json);
}

/** Of two Authorization headers node:http has the first in `headers`, without a word about the other. */
function headerOf({ headers, headersDistinct }: GuardedRequest<unknown>, name: string): string | undefined {
  const given = headersDistinct?.[name] ?? [];
  const value = given.length > 1 ? given : headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
