/** A property of routes: the tree finds the same route as a comparison with each route in turn. */
import assert from 'node:assert/strict';
import { AuthError } from '../../src/errors.ts';
import { Routes } from '../../src/http/routes.ts';
import { below, pick, type Random } from './generators.ts';
import type { Property } from './properties.ts';

const METHODS = ['GET', 'PUT', 'DELETE'];
/** Few segments, so that many routes share places. */
const SEGMENTS = ['a', 'b', '__proto__', '', '%61', ':x', ':y', ':__proto__', ':constructor'];
const SENT = ['a', 'b', '__proto__', '', '%61', 'c', 'x%2Fy', '%C3%BC', '%', '%ff', ':x', '..'];

interface Route {
  readonly method: string;
  readonly segments: readonly string[];
}

const isParameter = (segment: string) => segment.startsWith(':');
/** Routes of one shape answer the same paths. */
const shapeOf = (segments: readonly string[]) =>
  segments.map((segment) => (isParameter(segment) ? ':' : segment)).join('/');
/** In the order of texts, a plain segment comes before a parameter. */
const rankOf = ({ segments }: Route) =>
  segments.map((segment) => (isParameter(segment) ? '1' : '0')).join('');

function randomSegments(random: Random, from: readonly string[]): string[] {
  return Array.from({ length: 1 + below(random, 4) }, () => pick(random, from));
}

function matches({ segments }: Route, sent: readonly string[]): boolean {
  return segments.length === sent.length && segments.every((segment, index) =>
    isParameter(segment) ? sent[index] !== '' : sent[index] === segment);
}

/** @returns the values of a route by name, or undefined if one of them cannot be decoded */
function valuesOf({ segments }: Route, sent: readonly string[]): Map<string, string> | undefined {
  try {
    return new Map(segments.flatMap((segment, index) =>
      isParameter(segment) ? [[segment.slice(1), decodeURIComponent(sent[index] ?? '')]] : []));
  } catch {
    return undefined;
  }
}

export const ROUTE_PROPERTIES: readonly Property[] = [
  {
    name: 'the tree of routes finds what a comparison with each route in turn finds',
    cases: 3000,
    outcomes: ['found', 'no method', 'no path', 'undecodable'],
    check(random) {
      const table = new Routes<Route>();
      const routes: Route[] = [];
      for (let count = 1 + below(random, 30); count > 0; count -= 1) {
        const route = { method: pick(random, METHODS), segments: randomSegments(random, SEGMENTS) };
        const parameters = route.segments.filter(isParameter);
        if (new Set(parameters).size < parameters.length) continue;
        const isNew = !routes.some(({ method, segments }) =>
          method === route.method && shapeOf(segments) === shapeOf(route.segments));
        assert.equal(table.add(route.method, `/${route.segments.join('/')}`, route), isNew);
        if (isNew) routes.push(route);
      }
      const sent = randomSegments(random, SENT);
      const path = `/${sent.join('/')}`;
      const method = pick(random, METHODS);
      const matching = routes.filter((route) => matches(route, sent));
      const methods = new Set(matching.map((route) => route.method));
      assert.deepEqual(new Set(table.methodsOf(path)), methods);
      const [expected] = matching
        .filter((route) => route.method === method)
        .toSorted((one, other) => rankOf(one).localeCompare(rankOf(other)));
      if (expected === undefined) {
        assert.equal(table.find(method, path), undefined);
        return methods.size > 0 ? 'no method' : 'no path';
      }
      const values = valuesOf(expected, sent);
      if (values === undefined) {
        const description = 'A percent-escape in the path is broken, or is not UTF-8';
        const refusal = new AuthError('ERR_BAD_REQUEST', { description });
        assert.throws(() => table.find(method, path), refusal);
        return 'undecodable';
      }
      const found = table.find(method, path) ?? assert.fail(path);
      assert.equal(found.handler, expected, path);
      assert.equal(found.route, `/${expected.segments.join('/')}`);
      assert.equal(Object.getPrototypeOf(found.params), null);
      assert.deepEqual(new Map(Object.entries(found.params)), values);
      return 'found';
    },
  },
];
