/**
 * The routes of a router. A path without parameters is found by one look-up in a Map. The paths
 * with parameters are a tree of segments.
 * Promise: a look-up takes one step for each segment of the path, however many routes there are.
 * Accepted: where a plain segment and a parameter share a place, the search may try both branches.
 * If all places are shared, it may visit all branches, as a list of routes would.
 */
import { AuthError } from '../errors.ts';
import { parameterIn } from './route-path.ts';

/** Values by parameter name. The object has no prototype, so `__proto__` is an ordinary name. */
export type Params = Readonly<Record<string, string>>;

/** The parameters of a path that has none. */
export const NO_PARAMS: Params = Object.freeze(Object.create(null));

/** The handler of a request, and the decoded values of the parameters in its path. */
export interface Found<Handler> {
  readonly handler: Handler;
  /** The path as it was added, such as `/users/:id`. */
  readonly route: string;
  readonly params: Params;
}

interface Route<Handler> {
  readonly handler: Handler;
  readonly route: string;
  /** Parameter names, in the order of the path. Another method may name them differently. */
  readonly names: readonly string[];
}

/** A place in the tree, behind some segments. */
class Branch<Handler> {
  /** The next branches, by plain segment. */
  readonly plain = new Map<string, Branch<Handler>>();
  /** The next branch for a parameter, which matches any segment that is not empty. */
  parameter: Branch<Handler> | undefined;
  /** The routes that end here, by method. */
  readonly routes = new Map<string, Route<Handler>>();
}

/** The end of a branch that matches a path. */
interface End<Handler> {
  readonly routes: Branch<Handler>['routes'];
  /** The values of the parameters on the way, not decoded. */
  readonly values: readonly string[];
}

/** Handlers by method and path. It does not know what a handler is. */
export class Routes<Handler> {
  /** By path, then by method. */
  readonly #exact = new Map<string, Map<string, Found<Handler>>>();
  readonly #root = new Branch<Handler>();
  /** The exact routes that `add` may replace. */
  readonly #defaults = new Set<Found<Handler>>();

  /**
   * @param path a valid path of a route
   * @returns false, without a change, if a route answers the same method and the same paths. The
   *   names of parameters make no difference. A default route is replaced.
   */
  add(method: string, path: string, handler: Handler): boolean {
    const segments = path.slice(1).split('/');
    const names = segments.flatMap((segment) => parameterIn(segment) ?? []);
    if (names.length === 0) {
      const methods = this.#exact.get(path) ?? new Map<string, Found<Handler>>();
      const taken = methods.get(method);
      if (taken !== undefined && !this.#defaults.delete(taken)) return false;
      methods.set(method, { handler, route: path, params: NO_PARAMS });
      this.#exact.set(path, methods);
      return true;
    }
    let branch = this.#root;
    for (const segment of segments) branch = grow(branch, segment);
    if (branch.routes.has(method)) return false;
    branch.routes.set(method, { handler, route: path, names });
    return true;
  }

  /**
   * Adds a route without parameters, unless there is one. A call of `add` may replace it, once.
   * @param path a valid path of a route
   */
  addDefault(method: string, path: string, handler: Handler): void {
    if (!this.add(method, path, handler)) return;
    const added = this.#exact.get(path)?.get(method);
    if (added !== undefined) this.#defaults.add(added);
  }

  /**
   * @param path as received. It is compared as it is, and only the values of parameters are decoded
   * @returns the handler for the method. Of two routes that match, the one with the plain segment
   *   wins, where they first differ
   * @throws AuthError ERR_BAD_REQUEST if the value of a parameter cannot be decoded
   */
  find(method: string, path: string): Found<Handler> | undefined {
    const exact = this.#exact.get(path)?.get(method);
    if (exact !== undefined) return exact;
    for (const { routes, values } of this.#endsOf(path)) {
      const found = routes.get(method);
      if (found !== undefined) {
        const { handler, route, names } = found;
        return { handler, route, params: paramsOf(names, values) };
      }
    }
    return undefined;
  }

  /** @returns the methods of all routes with this path; none if no route has it */
  methodsOf(path: string): string[] {
    const methods = new Set(this.#exact.get(path)?.keys());
    for (const { routes } of this.#endsOf(path)) {
      for (const method of routes.keys()) methods.add(method);
    }
    return [...methods];
  }

  #endsOf(path: string): Iterable<End<Handler>> {
    // The target of a request may also be `*`, or absolute with a bad authority.
    return path.startsWith('/') ? endsOf(this.#root, path, 1, []) : [];
  }
}

/** @returns the branch behind a segment, which is new if there was none */
function grow<Handler>(branch: Branch<Handler>, segment: string): Branch<Handler> {
  if (parameterIn(segment) !== undefined) return (branch.parameter ??= new Branch<Handler>());
  const next = branch.plain.get(segment) ?? new Branch<Handler>();
  branch.plain.set(segment, next);
  return next;
}

/**
 * Yields the ends of all branches that match, the preferred one first. It goes no deeper than the
 * tree, so a path with more segments than that costs no more.
 * @param start where the next segment of the path begins
 * @param values those of the parameters before it
 */
function* endsOf<Handler>(
  branch: Branch<Handler>,
  path: string,
  start: number,
  values: readonly string[],
): Generator<End<Handler>, void> {
  const slash = path.indexOf('/', start);
  const isLast = slash === -1;
  const segment = path.slice(start, isLast ? undefined : slash);
  const plain = branch.plain.get(segment);
  if (plain !== undefined) {
    if (isLast) yield { routes: plain.routes, values };
    else yield* endsOf(plain, path, slash + 1, values);
  }
  const { parameter } = branch;
  if (parameter === undefined || segment === '') return;
  const withSegment = [...values, segment];
  if (isLast) yield { routes: parameter.routes, values: withSegment };
  else yield* endsOf(parameter, path, slash + 1, withSegment);
}

/** @throws AuthError ERR_BAD_REQUEST */
function paramsOf(names: readonly string[], values: readonly string[]): Params {
  const params: Record<string, string> = Object.create(null);
  for (const [index, name] of names.entries()) params[name] = decoded(values[index] ?? '');
  return params;
}

/** @throws AuthError ERR_BAD_REQUEST */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    const description = 'A percent-escape in the path is broken, or is not UTF-8';
    throw new AuthError('ERR_BAD_REQUEST', { description });
  }
}
