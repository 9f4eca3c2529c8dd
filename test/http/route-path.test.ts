/** Paths of routes. Patterns of other routers are refused, with what to write in their place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApp, MemoryUserStore, Router } from '../../src/index.ts';
import { fromOtherRealm } from '../support/copies.ts';
import { SECRET } from '../support/tokens.ts';

const answer = () => 1;
const add = (path: unknown) => new Router().get(path as string, answer);

/** Pairs that differ in little: accepted, refused; and what the message advises. */
const PATHS: readonly (readonly [accepted: string, refused: string, advice: RegExp])[] = [
  ['/files/:name', '/files/*', /a pattern with "\*": write ":name" for any one segment, and a /],
  ['/files/:name', '/files/:name+', /with "\+": write ":name" for any one segment, and a route fo/],
  ['/users/:id', '/users/:id?', /with "\?": write one route with the optional part, and one witho/],
  ['/users/:id', '/users{/:id}', /with "\{": write one route with the optional part, and one with/],
  ['/users/:id', '/users/:id(\\d+)', /with "\(": write ":name", and check request\.params in the/],
  ['/users/:id', '/users/<id>', /with "<": write ":name"$/],
  ['/users/:id', '/users/[id]', /with "\[": write ":name" for the whole segment$/],
  ['/users/:id', '/users/[...id]', /with "\[\.\.\.": write ":name" for any one segment, and a /],
  ['/users/id$', '/users/$id', /with "\/\$": write ":name" for the whole segment$/],
  ['/a', '/a|b', /with "\|": write one route for each of the alternatives$/],
  ['/users/:id', '/users/:id.json', /with ":": write ":name" for the whole segment, .* split /],
  ['/:a/:b', '/:a-:b', /with ":": write ":name" for the whole segment/],
  ['/users/:id', '/users/user:id', /with ":": write ":name" for the whole segment/],
  ['/users/:i', '/users/:', /with ":": write ":name" for the whole segment/],
  ['/users/:_1', '/users/:1', /a name of letters, digits and "_" that does not begin with a digit/],
  ['/users/:Id_9', '/users/:Id-9', /with ":": write ":name" for the whole segment/],
  ['/:a/b/:c', '/:a/b/:a', /expected a different name for each parameter, got one twice$/],
  ['/:__proto__/:constructor', '/:__proto__/:__proto__', /expected a different name for each/],
];

test('a path has plain segments and parameters, and a pattern is refused with what to write', () => {
  for (const [accepted, refused, advice] of PATHS) {
    add(accepted);
    assert.throws(() => add(refused), { name: 'TypeError', message: advice }, refused);
    assert.throws(() => add(refused), { message: /^"path" expected / });
    assert.throws(() => add(refused), ({ message }: Error) => !message.includes(refused));
  }
  for (const pattern of [/^\/users/, fromOtherRealm('/^.users/')]) {
    assert.throws(() => add(pattern), {
      name: 'TypeError',
      message: /got a regular expression: write ":name", and check request\.params in the handler$/,
    });
  }
});

test('a path that is not one is refused by what it lacks', () => {
  const PAIRS: readonly (readonly [accepted: string, refused: string, lack: RegExp])[] = [
    ['/x', 'x', /^"path" expected a path that begins with "\/", got a string$/],
    ['/', '', /^"path" expected a path that begins with "\/", got an empty string$/],
    ['/a%20b', '/a b', /^"path" expected a path without a query, a fragment or a space, in ASCII/],
    ['/a', '/a#b', /^"path" expected a path without a query, a fragment or a space, in ASCII/],
  ];
  for (const [accepted, refused, lack] of PAIRS) {
    add(accepted);
    assert.throws(() => add(refused), { name: 'TypeError', message: lack }, refused);
  }
});

test('the path of the login is a plain one, which clients use as it is written', () => {
  const options = { secret: SECRET, users: new MemoryUserStore() };
  createApp({ ...options, authPath: '/tenant/auth' });
  const expected = '"authPath" expected a path of plain segments such as "/auth"';
  for (const [path, found] of [['/:tenant/auth', ':'], ['/*/auth', '*'], ['/$tenant/auth', '/$']]) {
    assert.throws(() => createApp({ ...options, authPath: String(path) }), {
      name: 'TypeError',
      message: `${expected}, got one with "${found}"`,
    });
  }
  for (const authPath of [/auth/, ['/:auth'], Object.create(null), 'auth']) {
    assert.throws(() => createApp({ ...options, authPath: authPath as string }), {
      name: 'TypeError',
      message: /^"authPath" expected a path that begins with "\/", /,
    });
  }
});
