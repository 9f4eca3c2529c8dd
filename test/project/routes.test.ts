/** Each route of the application is in the tables of the pages, and has a test. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathOf, ROUTES, ROUTES_WITHOUT_SESSIONS } from '../support/app-routes.ts';
import { assertNames, read, root, rowsOf } from '../support/documents.ts';

const PATH = /`(?:(?:GET|POST) )?(\/[\w/]+)[ `]/g;
const ROUTE = /`((?:GET|POST) \/[\w/]+)`/g;
const matchesIn = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, found = '']) => found);

test('each route is in the tables of the front page and of src/http/README.md', () => {
  const paths = ROUTES.map(pathOf);
  const front = rowsOf('## HTTP API').map(([request = '']) => request).join();
  assertNames('README.md, "HTTP API"', matchesIn(front, PATH), paths);
  const legend = rowsOf('## Errors').find(([name]) => name === 'all routes')?.join() ?? '';
  const place = 'src/http/README.md, "Errors", the row "all routes"';
  assertNames(place, matchesIn(legend, PATH), paths);
});

test('the table of the routes of sessions has those that the application has with them', () => {
  const named = rowsOf('## Routes of sessions').map(([request = '']) => request).join();
  const added = ROUTES.filter((route) => !ROUTES_WITHOUT_SESSIONS.includes(route));
  // Its first row says what sessions change in the login.
  const expected = ['POST /auth', ...added];
  assertNames('src/http/README.md, "Routes of sessions"', matchesIn(named, ROUTE), expected);
});

test('each route has a test that sends requests to it', () => {
  const tests = ['test/app', 'test/tutorial'].flatMap((folder) => {
    return readdirSync(join(root, folder)).map((name) => read(`${folder}/${name}`));
  }).join();
  const tested = ROUTES.filter((route) => RegExp(`${pathOf(route)}['\`]`).test(tests));
  assertNames('a file of test/app or test/tutorial, a test of the route', tested, ROUTES);
});
