/**
 * What an editor shows for the names that the package exports: each class and function, and each
 * public member, says what it is, and the examples compile. An editor shows the comment of the
 * constructor at `new`.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as index from '../../src/index.ts';
import * as jwt from '../../src/jwt.ts';
import * as password from '../../src/password.ts';
import * as storeContract from '../../src/store-contract.ts';
import { read } from '../support/documents.ts';
import {
  compile,
  linkDevelopmentPackages,
  makeUserFolder,
  removeUserFolder,
} from '../support/user-folder.ts';

/** A declaration, and the doc comment above it. */
interface Hover {
  /** Such as `Router`, `new Router` or `Router.get`. */
  readonly name: string;
  readonly signature: string;
  /** Without the asterisks. Empty if there is none. */
  readonly doc: string;
}

/** The classes and functions of the entry points. */
const exported: ReadonlySet<string> = new Set(
  [index, jwt, password, storeContract].flatMap((module) => Object.keys(module)),
);

const DECLARATION = /(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\n)?export declare (class|function) (\w+)/g;
const MEMBER = /(?:\/\*\*((?:(?!\*\/)[^])*)\*\/\s*)?((?:[^;{}/]|\/(?!\*)|\{[^}]*\})+);/g;

/** The classes and functions of a file of types, and the public members of the classes. */
function hoversIn(types: string): Hover[] {
  return [...types.matchAll(DECLARATION)].flatMap((found) => {
    const [whole, comment, kind, name = ''] = found;
    if (!exported.has(name)) return [];
    const rest = types.slice(found.index + whole.length);
    if (kind === 'function') {
      return [{ name, signature: rest.split(/;\n(?! )/)[0] ?? '', doc: textOf(comment) }];
    }
    const body = rest.slice(rest.indexOf('{\n') + 1, rest.indexOf('\n}'));
    const [, interfaceName] = /^ implements (\w+)/.exec(rest) ?? [];
    const inherited = documentedMembersOf(interfaceName);
    // An editor shows the comment of the interface for a member that has none of its own.
    const members = membersIn(name, body).filter(({ name: member, doc }) => {
      return doc !== '' || !inherited.has(member.replace(/^.*\./, ''));
    });
    return [{ name, signature: '', doc: textOf(comment) }, ...members];
  });
}

/** The interfaces that exported classes implement. */
const INTERFACES: ReadonlyMap<string, string> = new Map([
  ['UserStore', 'src/users/store.ts'],
  ['SessionStore', 'src/sessions/store.ts'],
]);

function documentedMembersOf(interfaceName = ''): ReadonlySet<string> {
  const file = INTERFACES.get(interfaceName);
  if (file === undefined) return new Set();
  const [, rest = ''] = read(file).split(`export interface ${interfaceName} {\n`);
  const body = rest.slice(0, rest.indexOf('\n}\n'));
  return new Set([...body.matchAll(/\*\/\n {2}(\w+)/g)].map(([, name = '']) => name));
}

function membersIn(className: string, body: string): Hover[] {
  return [...body.matchAll(MEMBER)].flatMap(([, comment, code = '']) => {
    const signature = code.trim();
    if (/^(?:#|private )/.test(signature)) return [];
    const [, member = ''] = /^(?:(?:static|readonly|get) )*(\[[^\]]+\]|\w+)/.exec(signature) ?? [];
    const name = member === 'constructor' ? `new ${className}` : `${className}.${member}`;
    return [{ name, signature, doc: textOf(comment) }];
  });
}

const textOf = (comment = '') => comment.replaceAll(/^ *\* ?/gm, '').trim();

let folder = '';
let hovers: readonly Hover[] = [];

before(async () => {
  folder = await makeUserFolder(() => false);
  linkDevelopmentPackages(folder);
  const dist = join(folder, 'node_modules/latchkey/dist');
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  const types = names.filter((name) => name.endsWith('.d.ts')).map((name) => {
    return readFileSync(join(dist, name), 'utf8');
  });
  hovers = types.flatMap(hoversIn);
});

after(() => removeUserFolder(folder));

/** The first sentence, or what a function returns if that says it all. */
const FIRST_SENTENCE = /^(?:@returns )?[^@\s][^]*?[\w)`'"}](?:[.:;]|\n@|$)/;

test('every exported class and function, and every public member, has a first sentence', () => {
  const silent = hovers.filter(({ doc }) => !FIRST_SENTENCE.test(doc)).map(({ name }) => name);
  assert.deepEqual(silent, []);
  assert.ok(hovers.length > 80, String(hovers.length));
});

/** Their pages have whole programs, in place of examples. */
const SUITES = ['testUserStore', 'testSessionStore'];
/** Classes that programs do not construct by `new`. */
const OPENED = ['JsonFileUserStore', 'JsonFileSessionStore'];
/** Their constructor has no options, and their class has the example. */
const WITHOUT_CONSTRUCTOR = ['MemoryUserStore', 'MemorySessionStore'];

test('every exported class, its constructor and every exported function has an example', () => {
  const lacking = hovers.filter(({ name, doc }) => {
    return !name.includes('.') && !SUITES.includes(name) && !doc.includes('@example');
  });
  assert.deepEqual(lacking.map(({ name }) => name), []);
  const constructors = hovers.filter(({ name }) => name.startsWith('new '));
  const constructed = constructors.map(({ name }) => name.slice('new '.length));
  const classes = [...exported].filter((name) => /^[A-Z]/.test(name));
  const expected = classes.filter((name) => ![...OPENED, ...WITHOUT_CONSTRUCTOR].includes(name));
  const advice = 'a class whose constructor is private belongs to OPENED';
  assert.deepEqual([...new Set(constructed)].sort(), expected.sort(), advice);
});

test('types in signatures have names', () => {
  const unnamed = hovers.filter(({ signature }) => /ReturnType<|never\[\]/.test(signature));
  assert.deepEqual(unnamed.map(({ name }) => name), []);
});

/** What the examples use and do not declare. */
const PRELUDE: Readonly<Record<string, string>> = {
  users: 'declare const users: import(\'latchkey\').UserStore;',
  sessions: 'declare const sessions: import(\'latchkey\').Sessions;',
  store: 'declare const store: import(\'latchkey\').SessionStore;',
  accounts: 'declare const accounts: import(\'latchkey\').Accounts;',
  auth: 'declare const auth: import(\'latchkey\').JwtAuth<{ username: string }>;',
  app: 'declare const app: import(\'latchkey\').App;',
  router: 'declare const router: import(\'latchkey\').Router;',
  pool: 'declare const pool: import(\'latchkey\').PgClient;',
  secret: 'declare const secret: string;',
  password: 'declare const password: string;',
  token: 'declare const token: string;',
  createServer: 'import { createServer } from \'node:http\';',
  logIn: 'declare function logIn(name: string, password: string): Promise<{ id: string } | null>;',
  findUser: 'declare function findUser(id: unknown): Promise<{ id: string } | null>;',
};

/** @returns an example as a module: it imports what it uses of the package */
function moduleOf(example: string): string {
  const uses = (name: string) => RegExp(`(?<![\\w']|(?<!\\.\\.)\\.)${name}\\b(?!:)`).test(example);
  const declares = (name: string) => RegExp(`(?:const|let) ${name}\\b`).test(example);
  const values = [...exported].filter((name) => uses(name));
  const types = ['PublicUser'].filter(uses).map((name) => `type ${name}`);
  const needed = Object.entries(PRELUDE).filter(([name]) => uses(name) && !declares(name));
  const imports = [...values, ...types].join(', ');
  return [
    ...(imports === '' ? [] : [`import { ${imports} } from 'latchkey';`]),
    ...needed.map(([, line]) => line),
    example,
    'export {};',
    '',
  ].join('\n');
}

test('every example compiles', async () => {
  const names = hovers.flatMap(({ name, doc }, at) => {
    const [, example] = /@example\s+([^]*?)(?=\n@|$)/.exec(doc) ?? [];
    if (example === undefined) return [];
    const file = `example-${at}-${name.replaceAll(/\W/g, '-')}.mts`;
    writeFileSync(join(folder, file), moduleOf(example));
    return [file];
  });
  assert.ok(names.length > 25, String(names.length));
  await compile(folder, names).catch((error: unknown) => {
    const errors = String(Reflect.get(Object(error), 'stdout'));
    assert.fail(`${errors}\nPRELUDE of this test declares the names that examples share.`);
  });
});

