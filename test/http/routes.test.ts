/**
 * The tree of routes. The property runs from a seed, which is printed. SEED=n repeats a run, and
 * `npm run fuzz` runs it for any length of time.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Routes } from '../../src/http/routes.ts';
import { assertHolds } from '../support/properties.ts';
import { ROUTE_PROPERTIES } from '../support/route-properties.ts';

for (const property of ROUTE_PROPERTIES) test(property.name, (t) => assertHolds(t, property));

/** @returns how often the look-up asks a Map */
function countLookUps(routes: Routes<number>, path: string): number {
  const { get } = Map.prototype;
  let count = 0;
  Map.prototype.get = function counted(key) {
    count += 1;
    return get.call(this, key);
  };
  try {
    routes.find('GET', path);
  } finally {
    Map.prototype.get = get;
  }
  return count;
}

test('a look-up takes the same number of steps among 10 and among 10,000 routes', () => {
  for (const path of ['/plain7', '/part7/joe/items/9', '/part7/joe/other', '/unknown/of/all']) {
    const counts = [10, 10_000].map((size) => {
      const routes = new Routes<number>();
      for (let index = 0; index < size; index += 1) {
        routes.add('GET', `/plain${index}`, index);
        routes.add('GET', `/part${index}/:name/items/:item`, index);
      }
      return countLookUps(routes, path);
    });
    assert.equal(counts[0], counts[1], path);
  }
  const exact = new Routes<number>();
  exact.add('GET', '/hello', 1);
  // One for the path, and one for the method.
  assert.equal(countLookUps(exact, '/hello'), 2);
});

test('a path of many segments is followed no deeper than the routes go', () => {
  const routes = new Routes<number>();
  routes.add('GET', '/:a/:b', 1);
  for (const path of ['/', 'x/', '/x/'].map((text) => text.repeat(100_000))) {
    assert.equal(routes.find('GET', path), undefined);
    assert.ok(countLookUps(routes, path) < 5);
  }
});

test('a target that is not a path finds no route with parameters', () => {
  const routes = new Routes<number>();
  routes.add('GET', '/:a', 1);
  routes.add('GET', '/:a//:b', 2);
  for (const target of ['*7', 'x7', 'http://a b', '']) {
    assert.equal(routes.find('GET', target), undefined, target);
    assert.deepEqual(routes.methodsOf(target), []);
  }
  assert.equal(routes.find('GET', '/7')?.handler, 1);
  assert.equal(routes.find('GET', '/http://7')?.handler, 2);
});

test('a route replaces the default route of its method and path, and is not replaced', () => {
  const routes = new Routes<string>();
  routes.addDefault('GET', '/health', 'ours');
  assert.equal(routes.find('GET', '/health')?.handler, 'ours');
  assert.equal(routes.add('POST', '/health', 'another method'), true);
  assert.equal(routes.find('GET', '/health')?.handler, 'ours');
  assert.equal(routes.add('GET', '/health', 'theirs'), true);
  assert.equal(routes.find('GET', '/health')?.handler, 'theirs');
  assert.equal(routes.add('GET', '/health', 'a third'), false);
  routes.addDefault('GET', '/health', 'ours');
  assert.equal(routes.find('GET', '/health')?.handler, 'theirs');
  assert.equal(routes.add('GET', '/health', 'a fourth'), false);
  assert.deepEqual(routes.methodsOf('/health'), ['GET', 'POST']);
});
