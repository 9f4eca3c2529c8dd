/**
 * Compares the tables of the pages with the code: signatures and error codes with the types and
 * doc comments, options and flags with their checks, errors and channels with their lists.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ERRORS } from '../../src/error-codes.ts';
import { EVENTS } from '../../src/events.ts';
import { guard, login } from '../../src/express.ts';
import {
  Accounts,
  createApp,
  Jwt,
  JwtAuth,
  listen,
  MemorySessionStore,
  MemoryUserStore,
  PasswordHasher,
  PostgresLimitCounts,
  PostgresSessionStore,
  PostgresUserStore,
  Router,
  Sessions,
} from '../../src/index.ts';
import { assertNames, documents, pageWith, rowsOf } from '../support/documents.ts';
import { run as runCommand } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';
import { makeUserFolder, removeUserFolder } from '../support/user-folder.ts';

let folder = '';
let dist = '';
/** All types of the package, one file after the other. */
let types = '';

before(async () => {
  folder = await makeUserFolder(() => false);
  dist = join(folder, 'node_modules/latchkey/dist');
  const names = readdirSync(dist, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.d.ts')).sort();
  types = files.map((name) => readFileSync(join(dist, name), 'utf8')).join('\n');
});

after(() => removeUserFolder(folder));

/** The texts in backquotes. */
const quoted = (cell = ''): string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
const codesIn = (text: string): string[] => text.match(/ERR_\w+\*?/g) ?? [];
/** A doc comment without its example, which may use any code. */
const rulesIn = (doc: string) => doc.replace(/@example[^]*?(?=@|$)/, '');

interface Declared {
  /** On one line, as the pages have it. */
  readonly signature: string;
  readonly doc: string;
}

const typesOf = (file: string) => readFileSync(join(dist, `${file}.d.ts`), 'utf8');

/** The public members of a class, or the signature of a function, as the package declares them. */
function declarationsOf(name: string): Declared[] {
  const declaration = RegExp(`^([^]*)export declare (?:class|function) (?=${name}\\b)([^]*)$`);
  const [, before = '', rest = ''] = declaration.exec(typesOf(fileOf(name))) ??
    assert.fail(`no declaration of ${name}`);
  const isClass = /^\w+[^(;]*\{\n/.test(rest);
  const doc = before.slice(before.lastIndexOf('/**'));
  if (!isClass) return [{ signature: flat(rest.split(/;\n(?![ }])/)[0] ?? ''), doc }];
  const body = rest.slice(rest.indexOf('{\n') + 1, rest.indexOf('\n}\n'));
  const [first = '', ...others] = body.split(/\/\*\*((?:(?!\*\/)[^])*)\*\//);
  const commented = Array.from({ length: others.length / 2 }, (_, at) => {
    return [others[2 * at], others[2 * at + 1]];
  });
  return [['', first], ...commented].flatMap(([comment = '', code = '']) =>
    [...code.matchAll(/(?:[^;{}]|\{[^}]*\})+(?=;)/g)]
      .map(([member], index) => ({ signature: flat(member), doc: index === 0 ? comment : '' }))
      .filter(({ signature }) => !/^(?:#private|private )/.test(signature)));
}

/** Puts a signature on one line, and writes a getter as a property. */
function flat(code: string): string {
  const line = code.replaceAll(/\s+/g, ' ').trim().replace(/^(?:readonly|static) /, '');
  return line.replace(/^get (\w+)\(\): /, '$1: ');
}

/** @returns the file that an entry point exports a name from. Other files may have the name too. */
function fileOf(name: string): string {
  const lines =
    ENTRY_POINTS.map(typesOf).join('\n').matchAll(/^export \{ (.+) \} from '\.\/(.+)\.ts';$/gm);
  const [line] = [...lines].filter(([, list = '']) => list.split(', ').includes(name));
  return line?.[2] ?? assert.fail(`no entry point exports ${name}`);
}

const ENTRY_POINTS = ['index', 'express', 'jwt', 'password', 'store-contract'];

test('every exported name has a section with its signatures and the codes it throws', async () => {
  const importing = ENTRY_POINTS.map((entry) => import(`../../src/${entry}.ts`));
  const modules: object[] = await Promise.all(importing);
  const exported = new Set(modules.flatMap((module) => Object.keys(module)));
  const named = [...documents.matchAll(/^### `(\w+)`$/gm)].map(([, name = '']) => name);
  assertNames('the headings "### `Name`", on the pages of the rooms', named, exported);
  for (const name of named) {
    const section = rowsOf(`### \`${name}\``);
    const rows = new Map(section.map((cells) => [quoted(cells[0]).join(), cells]));
    const declared = declarationsOf(name);
    const signatures = declared.map(({ signature }) => signature);
    const place = `${pageWith(`### \`${name}\``)}, table of "### \`${name}\`"`;
    assertNames(place, rows.keys(), signatures);
    assert.equal(section.length, signatures.length, `${place}: two rows have one signature`);
    for (const { signature, doc } of declared) {
      const cell = `${place}, column "throws" of ${signature}, or @throws in the source`;
      assertNames(cell, codesIn(String(rows.get(signature)?.[2])), codesIn(rulesIn(doc)));
    }
  }
});

test('every exported type is named', () => {
  const declarations = ENTRY_POINTS.map(typesOf).join('\n');
  const lists = [...declarations.matchAll(/^export type \{ (.+) \} from /gm)];
  const single = [...declarations.matchAll(/(?:type |export interface )(\w+)(?=[ ,}<])/g)];
  const inLists = lists.flatMap(([, list = '']) => list.split(', '));
  const exported = [...inLists, ...single.map(([, name = '']) => name)];
  assert.ok(exported.length > 25);
  const unnamed = exported.filter((name) => !documents.includes(`\`${name}\``));
  assert.deepEqual(unnamed, [], 'name each in backticks on the page of its room');
});

const secret = SECRET;
const users = new MemoryUserStore();
const store = new MemorySessionStore();
const hooks = { authenticate: () => null, identity: () => null };
const client = { query: async () => ({ rows: [] }) };
const jwt = new Jwt({ secret });
const app = new Router();
const port = 0;

/** Passes options to each owner in the table. The owner throws or rejects if it refuses one. */
const OWNERS: Record<string, (options: object) => unknown> = {
  'Jwt': (options) => new Jwt({ secret, ...options }),
  'sign': (options) => jwt.sign({}, options),
  'PasswordHasher': (options) => new PasswordHasher(options),
  'JwtAuth': (options) => new JwtAuth({ secret, ...hooks, ...options }),
  'required': (options) => new JwtAuth({ secret, ...hooks }).required(() => null, options),
  'Accounts': (options) => new Accounts({ users, ...options }),
  'login': (options) => login(new JwtAuth({ secret, ...hooks }), options),
  'guard': (options) => guard(new JwtAuth({ secret, ...hooks }), options),
  'limits': (options) => new Accounts({ users, limits: options }),
  'PostgresUserStore': (options) => new PostgresUserStore(client, options),
  'PostgresLimitCounts': (options) => new PostgresLimitCounts(client, options),
  'PostgresSessionStore': (options) => new PostgresSessionStore(client, options),
  'Sessions': (options) => new Sessions({ store, ...options }),
  'Router': (options) => new Router(options),
  'listen': async (options) => (await listen(app, { port, ...options })).close(),
  'createApp': (options) => createApp({ secret, users, ...options }),
};

async function refusalOf(owner: string, options: object): Promise<Error | undefined> {
  try {
    await OWNERS[owner]?.(options);
  } catch (error) {
    // Any other error is of the system, such as a port in use: the owner accepted the options.
    if (error instanceof TypeError || error instanceof RangeError) return error;
  }
  return undefined;
}

const UNKNOWN_OPTION = /^"nonsense" expected one of (.+), got an unknown option$/;

/** The names of the options of an owner, which are listed when it refuses an unknown option. */
async function optionNamesOf(owner: string): Promise<string[]> {
  const message = (await refusalOf(owner, { nonsense: 1 }))?.message ?? '';
  return UNKNOWN_OPTION.exec(message)?.[1]?.split(', ') ?? [];
}

const FROM_LOW_TO_HIGH = /(\d+) to (\d+)/;
const FROM_LOW = /at least (\d+)(?= *[:,]|$)/;

test('the table of options has each option of each owner, with its bounds', async () => {
  const rows = rowsOf('### Options');
  const owners = new Set(rows.map(([owner]) => quoted(owner).join()));
  assert.deepEqual([...owners].sort(), Object.keys(OWNERS).sort());
  const namesOf = (owner: string) =>
    rows.filter(([cell]) => cell === `\`${owner}\``).flatMap(([, name]) => quoted(name));
  const INHERITED: Record<string, readonly string[]> = {
    JwtAuth: ['Jwt'],
    guard: ['login'],
    createApp: ['Jwt', 'JwtAuth', 'Accounts', 'Router'],
  };
  for (const owner of Object.keys(OWNERS)) {
    const inherited = (INHERITED[owner] ?? []).flatMap(namesOf);
    const own = (await optionNamesOf(owner)).filter((name) => !inherited.includes(name));
    assert.deepEqual(own.sort(), namesOf(owner).sort(), owner);
  }
  let bounded = 0;
  for (const [ownerCell, nameCell, bounds = ''] of rows) {
    const [owner, name] = [quoted(ownerCell).join(), quoted(nameCell).join()];
    const [, low, high] = FROM_LOW_TO_HIGH.exec(bounds) ?? FROM_LOW.exec(bounds) ?? [];
    if (low === undefined || /function|a string/.test(bounds)) continue;
    bounded += 1;
    const good = [Number(low), ...(high === undefined ? [] : [Number(high)])];
    for (const value of good) {
      const refusal = await refusalOf(owner, withCompanions(name, value));
      assert.equal(refusal, undefined, `${name} ${value}`);
    }
    for (const value of [Number(low) - 1, ...(high === undefined ? [] : [Number(high) + 1])]) {
      const refusal = await refusalOf(owner, { [name]: value });
      assert.ok(refusal instanceof RangeError, `${owner}: ${name} ${value}`);
    }
  }
  assert.ok(bounded >= 18, String(bounded));
});

/** The option, with those others that it needs to reach its bounds. */
function withCompanions(name: string, value: number): object {
  if (name === 'maxPasswordLength') return { minPasswordLength: 1, [name]: value };
  if (name === 'minPasswordLength') return { maxPasswordLength: 1024, [name]: value };
  // 128·N·r·p stays within 1 GiB, and N below 2^(16·r).
  if (name === 'r' || name === 'p') return { logN: 15, [name]: value };
  return { [name]: value };
}

/** The interface of the options of an owner, where it is not named after the owner. */
const OPTIONS_OF: Readonly<Record<string, string>> = {
  login: 'ExpressOptions',
  guard: 'ExpressGuardOptions',
  limits: 'LimitOptions',
  listen: 'ListenOptions',
  createApp: 'AppOptions',
};

test('each default in the table of options is that of the doc comment', () => {
  for (const [ownerCell, name, , value] of rowsOf('### Options')) {
    const owner = quoted(ownerCell).join();
    if (['required', 'sign'].includes(owner)) continue;
    const interfaceName = OPTIONS_OF[owner] ?? `${owner}Options`;
    const [, rest = ''] = types.split(RegExp(`^export interface ${interfaceName}\\b`, 'm'));
    const [body = ''] = rest.split('\n}\n');
    const declaration = RegExp(`\\*/\\s*readonly ${quoted(name).join()}\\??: `);
    const option = declaration.exec(body) ?? assert.fail(`no option ${name}`);
    const doc = body.slice(body.lastIndexOf('/**', option.index), option.index);
    const said = /\bdefault\b([^]*)/i.exec(doc)?.[1]?.replaceAll(',', '') ?? '';
    for (const text of quoted(value)) {
      const isSaid = said.includes(text.replaceAll(',', '')) || text === 'PasswordHasher';
      assert.ok(isSaid, `${owner} ${name}: ${doc}`);
    }
  }
});

test('the table of errors is that of the code', () => {
  const found = documents.matchAll(/^\| `(ERR_\w+)` \| (\d+) \| ([^|]+) \|.*\|$/gm);
  const rows = [...found].map(([, ...cells]) => cells);
  const codes = Object.entries(ERRORS).map(([code, [status, , description]]) => {
    return [code, String(status), description];
  });
  assert.deepEqual(rows, codes);
});

test('the table of flags has those of the command, with variables and defaults', async () => {
  const rows = rowsOf('## Configuration').filter(([flag]) => flag !== '');
  const { stdout } = await runCommand('serve --help');
  // A row of the help goes on in lines that begin with more spaces.
  const inHelp = [...stdout.matchAll(/^ {2}(--[\w-]+) .*(?:\n {3,}.*)*$/gm)];
  assert.deepEqual(rows.map(([flag]) => quoted(flag).join()), inHelp.map(([, flag]) => flag));
  rows.forEach(([flag, variable, , , value], index) => {
    const help = inHelp[index]?.[0] ?? '';
    for (const text of [...quoted(variable), ...quoted(value)]) {
      assert.ok(help.includes(text), `${flag}: ${text}`);
    }
  });
});

test('a flag refuses a number beyond its bounds in the table', async () => {
  const rows = rowsOf('## Configuration');
  const bounded = rows.filter(([, , , bounds = '']) => /^\d+ to \d+$/.test(bounds));
  assert.equal(bounded.length, 10);
  await Promise.all(bounded.map(async ([cell, , , bounds = '']) => {
    const flag = quoted(cell).join();
    const beyond = Number(bounds.split(' to ')[1]) + 1;
    const { code, stderr } = await runCommand(`serve ${flag}=${beyond}`);
    assert.equal(code, 2);
    const refusal = `latchkey: ${flag} expected a whole number from ${bounds}, got`;
    assert.ok(stderr.startsWith(refusal), stderr);
  }));
});

test('the table of Flask-JWT names every option and hook from there, and no other', async () => {
  const ours = rowsOf('## Coming from Flask').flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(?:new )?(\w+)[^`]*`/g)].map(([, name = '']) => name));
  const values = ['JWT', 'Bearer', 'alg', 'crit', 'b64'];
  const elsewhere = ['authPath', 'createApp', 'required', 'currentIdentity', 'AuthError'];
  const added = [
    'issuer',
    'audience',
    'type',
    'maxAgeSeconds',
    'maxTokenLength',
    'cacheSize',
    'now',
    'sessions',
    'isCurrent',
    'limits',
  ];
  const options = (await optionNamesOf('JwtAuth')).filter((name) => !added.includes(name));
  const named = ours.filter((name) => !values.includes(name));
  assert.deepEqual(new Set(named), new Set([...options, ...elsewhere]));
});

test('the table of jsonwebtoken names options that exist', async () => {
  const named = rowsOf('## Coming from jsonwebtoken').flatMap(([, here]) =>
    quoted(here).flatMap((text) => /^(\w+)(?:: |$)/.exec(text)?.[1] ?? []));
  const names = ['exp', 'nbf', 'aud', 'sign', 'Jwt', 'JwtAuth', 'AuthError', 'code'];
  const elsewhere = [...names, ...Object.keys(ERRORS)];
  const options = await optionNamesOf('JwtAuth');
  assert.deepEqual(named.filter((name) => ![...options, ...elsewhere].includes(name)), []);
  assert.ok(named.length > 8);
});

test('the table of channels is that of the code', () => {
  const rows = [...documents.matchAll(/^\| `(latchkey:\w+)` \|/gm)].map(([, channel]) => channel);
  assert.deepEqual(rows, Object.values(EVENTS).map(({ name }) => name));
});
