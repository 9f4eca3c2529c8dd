/**
 * The table of errors against a real server: every route is driven into its refusals, and the codes
 * that come back are those of the table.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ERRORS } from '../../src/error-codes.ts';
import { pathOf, ROUTES } from '../support/app-routes.ts';
import { assertNames, rowsOf } from '../support/documents.ts';
import { provokedCodes, type SeenCodes } from '../support/provoked-refusals.ts';

/** The codes that this test does not provoke. */
const NOT_PROVOKED: Readonly<Record<string, string>> = {
  ERR_TIMEOUT: 'it takes 5 to 10 seconds: test/http/malformed.test.ts waits for it',
  ERR_ABORTED: 'no client gets it, because the client has gone',
  ERR_PASSWORD_HASH: 'a route answers a stored hash that cannot be read as a wrong password',
  ERR_STORE_LOCKED: 'a store refuses to open, so no server listens',
  ERR_STORE_DAMAGED: 'a store refuses to open, so no server listens',
};

const ANY = [...ROUTES.map(pathOf), '/another-path'];
const CLIENT = ['fix', 'log in', 'wait', 'operator'];

let seen: SeenCodes;
before(async () => {
  seen = await provokedCodes();
});

const rows = rowsOf('## Errors').filter(([code = '']) => code.startsWith('`ERR_'));
const legend = new Map(rowsOf('## Errors').flatMap(([name = '', meaning = '', ...others]) => {
  return others.length === 0 ? [[name, meaning] as const] : [];
}));

const pathsIn = (text: string) => [...text.matchAll(/`(\/[\w/-]+)`/g)].map(([, path = '']) => path);

/** The paths that a cell of the column "routes" means. */
function pathsOf(cell: string): string[] {
  return cell.split(', ').flatMap((part) => {
    if (part === 'any') return ANY;
    if (part === 'another path') return ['/another-path'];
    if (part.startsWith('`')) return pathsIn(part);
    return pathsIn(legend.get(part) ?? assert.fail(`the legend has no row "${part}"`));
  });
}

test('the column "routes" names the routes that send a code, and no other', () => {
  assert.equal(rows.length, Object.keys(ERRORS).length);
  for (const [cell = '', , , routes = ''] of rows) {
    const code = cell.replaceAll('`', '');
    const senders = [...seen].filter(([, codes]) => codes.has(code));
    const place = `src/http/README.md, "Errors", column "routes" of ${code}, or the legend above`;
    const named = Object.hasOwn(NOT_PROVOKED, code) ? [] : pathsOf(routes);
    assertNames(place, named, senders.map(([route]) => pathOf(route)));
  }
});

test('every refusal of every route has its code in the header Error-Code', () => {
  const codes = new Set([...seen.values()].flatMap((ofRoute) => [...ofRoute]));
  const expected = Object.keys(ERRORS).filter((code) => !Object.hasOwn(NOT_PROVOKED, code));
  const place = 'requests of test/support/provoked-refusals.ts, or NOT_PROVOKED of this test';
  assertNames(place, codes, expected);
});

test('the column "client" says one of four things, which the legend explains', () => {
  for (const [code, , , , client = ''] of rows) assert.ok(CLIENT.includes(client), code);
  for (const name of CLIENT) assert.ok(legend.has(name), name);
});
