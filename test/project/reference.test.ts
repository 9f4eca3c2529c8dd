/**
 * What the README's tables say is compared with the code: signatures and what they throw with the types and their doc
 * comments, options and flags with what takes and refuses them, errors and channels with their lists.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { EVENTS } from '../../src/events.ts';
import { ERRORS } from '../../src/errors.ts';
import {
  Accounts, createApp, Jwt, JwtAuth, listen, MemoryUserStore, PasswordHasher, PostgresUserStore, Router,
} from '../../src/index.ts';
import { run as runCommand } from '../support/run-command.ts';
import { documents, makeUserFolder, removeUserFolder, rowsOf } from '../support/documents.ts';
import { SECRET } from '../support/tokens.ts';

let folder = '';

before(async () => {
  folder = await makeUserFolder(() => false);
});

after(() => removeUserFolder(folder));

/** What stands in backquotes. */
const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
const codesIn = (text: string) => new Set(text.match(/ERR_\w+\*?/g));

interface Declared {
  /** As the README writes it. */
  readonly signature: string;
  readonly doc: string;
}

const typesOf = (file: string) => readFileSync(join(folder, 'node_modules/latchkey/dist', `${file}.d.ts`), 'utf8');
const FILES = [
  'app', 'accounts/accounts', 'auth/current-identity', 'auth/jwt-auth', 'accounts/password-hasher', 'limits/throttle',
  'crypto/jwt', 'crypto/jwt-options', 'crypto/secret', 'errors', 'http/body', 'http/request', 'http/router', 'http/server', 'users/contract',
  'users/json-file', 'users/memory', 'users/postgres',
];

/** The public members of a class, or the one signature of a function, as the types of the package declare them. */
function declarationsOf(name: string): Declared[] {
  const [, before = '', rest = ''] = RegExp(`^([^]*)export declare (?:class|function) (?=${name}\\b)([^]*)$`)
    .exec(FILES.map(typesOf).join('\n')) ?? assert.fail(`no declaration of ${name}`);
  const isClass = /^\w+[^(;]*\{\n/.test(rest);
  const doc = before.slice(before.lastIndexOf('/**'));
  if (!isClass) return [{ signature: flat(rest.split(/;\n(?![ }])/)[0] ?? ''), doc }];
  const body = rest.slice(rest.indexOf('{\n') + 1, rest.indexOf('\n}\n'));
  const [first = '', ...others] = body.split(/\/\*\*((?:(?!\*\/)[^])*)\*\//);
  const commented = Array.from({ length: others.length / 2 }, (_, at) => [others[2 * at], others[2 * at + 1]]);
  return [['', first], ...commented].flatMap(([comment = '', code = '']) =>
    [...code.matchAll(/(?:[^;{}]|\{[^}]*\})+(?=;)/g)]
      .map(([member], index) => ({ signature: flat(member), doc: index === 0 ? comment : '' }))
      .filter(({ signature }) => !/^(?:#private|private )/.test(signature)));
}

/** On one line, a getter as the property that it is. */
const flat = (code: string): string =>
  code.replaceAll(/\s+/g, ' ').trim().replace(/^(?:readonly|static) /, '').replace(/^get (\w+)\(\): /, '$1: ');

test('every exported name has a part of its own, with each signature, and the codes that it throws', async () => {
  const entries = ['index', 'jwt', 'password', 'store-contract'];
  const modules: object[] = await Promise.all(entries.map((entry) => import(`../../src/${entry}.ts`)));
  const named = [...documents.matchAll(/^### `(\w+)`$/gm)].map(([, name = '']) => name);
  assert.deepEqual(named.toSorted(), [...new Set(modules.flatMap((module) => Object.keys(module)))].sort());
  for (const name of named) {
    const rows = new Map(rowsOf(`### \`${name}\``).map((cells) => [quoted(cells[0]).join(), cells]));
    const declared = declarationsOf(name);
    assert.deepEqual([...rows.keys()].sort(), declared.map(({ signature }) => signature).sort(), name);
    for (const { signature, doc } of declared) {
      assert.deepEqual(codesIn(String(rows.get(signature)?.[2])), codesIn(doc), signature);
    }
  }
});

test('every exported type is named', () => {
  const declared = ['index', 'jwt', 'password', 'store-contract'].map(typesOf).join('\n');
  const single = [...declared.matchAll(/(?:type |export interface )(\w+)(?=[ ,}<])/g)];
  const lists = [...declared.matchAll(/export type \{ ([^}]+) \}/g)];
  const types = [...single, ...lists].flatMap(([, names = '']) => names.split(', '));
  assert.ok(types.length > 25);
  for (const name of types) assert.match(documents, RegExp(`\`${name}\``), name);
});

const secret = SECRET;
const users = new MemoryUserStore();
const nobody = { authenticate: () => null, identity: () => null };
const client = { query: async () => ({ rows: [] }) };
const jwt = new Jwt({ secret });
const app = new Router();
const port = 0;

/** What takes the options of each owner in the table, and throws or rejects for one that it refuses. */
const TAKERS: Record<string, (options: object) => unknown> = {
  'Jwt': (options) => new Jwt({ secret, ...options }),
  'sign': (options) => jwt.sign({}, options),
  'PasswordHasher': (options) => new PasswordHasher(options),
  'JwtAuth': (options) => new JwtAuth({ secret, ...nobody, ...options }),
  'required': (options) => new JwtAuth({ secret, ...nobody }).required(() => null, options),
  'Accounts': (options) => new Accounts({ users, ...options }),
  'limits': (options) => new Accounts({ users, limits: options }),
  'PostgresUserStore': (options) => new PostgresUserStore(client, options),
  'Router': (options) => new Router(options),
  'listen': async (options) => (await listen(app, { port, ...options })).close(),
  'createApp': (options) => createApp({ secret, users, ...options }),
};

async function refusalOf(owner: string, options: object): Promise<Error | undefined> {
  try {
    await TAKERS[owner]?.(options);
  } catch (error) {
    // What the system refuses, such as a port that somebody else has, was taken.
    if (error instanceof TypeError || error instanceof RangeError) return error;
  }
  return undefined;
}

/** The names of the options that an owner takes, which it tells whoever gives another. */
async function namesTaken(owner: string): Promise<string[]> {
  const message = (await refusalOf(owner, { nonsense: 1 }))?.message ?? '';
  return /^"nonsense" expected one of (.+), got an unknown option$/.exec(message)?.[1]?.split(', ') ?? [];
}

test('the table of options has each option of each owner, with its bounds', async () => {
  const rows = rowsOf('### Options');
  const owners = new Set(rows.map(([owner]) => quoted(owner).join()));
  assert.deepEqual([...owners].sort(), Object.keys(TAKERS).sort());
  const namesOf = (owner: string) => rows.filter(([it]) => it === `\`${owner}\``).flatMap(([, name]) => quoted(name));
  const INHERITED: Record<string, readonly string[]> = {
    JwtAuth: ['Jwt'], createApp: ['Jwt', 'JwtAuth', 'Accounts', 'Router'],
  };
  for (const owner of Object.keys(TAKERS)) {
    const inherited = (INHERITED[owner] ?? []).flatMap(namesOf);
    const own = (await namesTaken(owner)).filter((name) => !inherited.includes(name));
    assert.deepEqual(own.sort(), namesOf(owner).sort(), owner);
  }
  let bounded = 0;
  for (const [ownerCell, nameCell, bounds = ''] of rows) {
    const [owner, name] = [quoted(ownerCell).join(), quoted(nameCell).join()];
    const [, low, high] = /(\d+) to (\d+)/.exec(bounds) ?? /at least (\d+)(?= *[:,]|$)/.exec(bounds) ?? [];
    if (low === undefined || /function|a string/.test(bounds)) continue;
    bounded += 1;
    const good = [Number(low), ...(high === undefined ? [] : [Number(high)])];
    for (const value of good) {
      assert.equal(await refusalOf(owner, companyOf(name, value)), undefined, `${name} ${value}`);
    }
    for (const value of [Number(low) - 1, ...(high === undefined ? [] : [Number(high) + 1])]) {
      assert.ok((await refusalOf(owner, { [name]: value })) instanceof RangeError, `${owner}: ${name} ${value}`);
    }
  }
  assert.ok(bounded >= 18, String(bounded));
});

/** Options whose bounds are reached only beside another one. */
function companyOf(name: string, value: number): object {
  if (name === 'maxPasswordLength') return { minPasswordLength: 1, [name]: value };
  if (name === 'minPasswordLength') return { maxPasswordLength: 1024, [name]: value };
  // 128·N·r·p stays within 1 GiB, and N below 2^(16·r).
  if (name === 'r' || name === 'p') return { logN: 15, [name]: value };
  return { [name]: value };
}

test('each default in the table of options is that of the doc comment', () => {
  const types = FILES.map(typesOf).join('\n');
  for (const [owner, name, , value] of rowsOf('### Options')) {
    if (['`required`', '`sign`'].includes(String(owner))) continue;
    const declaration = RegExp(`\\*/\\s*readonly ${quoted(name).join()}\\??: `);
    const option = declaration.exec(types) ?? assert.fail(`no option ${name}`);
    const doc = types.slice(types.lastIndexOf('/**', option.index), option.index);
    const said = /\bdefault\b([^]*)/i.exec(doc)?.[1]?.replaceAll(',', '') ?? '';
    for (const text of quoted(value)) {
      assert.ok(said.includes(text.replaceAll(',', '')) || text === 'PasswordHasher', `${owner} ${name}: ${doc}`);
    }
  }
});

test('the table of errors is that of the code', () => {
  const rows = [...documents.matchAll(/^\| `(ERR_\w+)` \| (\d+) \| (.+) \|$/gm)].map(([, ...cells]) => cells);
  const codes = Object.entries(ERRORS).map(([code, [status, , description]]) => [code, String(status), description]);
  assert.deepEqual(rows, codes);
});

test('the table of flags names those of the command, with their variables and defaults', async () => {
  const rows = rowsOf('## Configuration').filter(([flag]) => flag !== '');
  const { stdout } = await runCommand('serve --help');
  const inHelp = [...stdout.matchAll(/^ {2}(--[\w-]+) .*$/gm)];
  assert.deepEqual(rows.map(([flag]) => quoted(flag).join()), inHelp.map(([, flag]) => flag));
  rows.forEach(([flag, variable, , , value], index) => {
    const help = inHelp[index]?.[0] ?? '';
    for (const text of [...quoted(variable), ...quoted(value)]) assert.ok(help.includes(text), `${flag}: ${text}`);
  });
});

test('a flag takes what stands within its bounds in the table, and nothing beyond', async () => {
  const bounded = rowsOf('## Configuration').filter(([, , , bounds = '']) => /^\d+ to \d+$/.test(bounds));
  assert.equal(bounded.length, 6);
  await Promise.all(bounded.map(async ([cell, , , bounds = '']) => {
    const flag = quoted(cell).join();
    const { code, stderr } = await runCommand(`serve ${flag}=${Number(bounds.split(' to ')[1]) + 1}`);
    assert.equal(code, 2);
    assert.ok(stderr.startsWith(`latchkey: ${flag} expected a whole number from ${bounds}, got`), stderr);
  }));
});

test('the table of Flask-JWT names every option and hook that came from there, and none that is not here', async () => {
  const ours = rowsOf('## Coming from Flask').flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(?:new )?(\w+)[^`]*`/g)].map(([, name = '']) => name));
  const values = ['JWT', 'Bearer', 'alg', 'crit', 'b64'];
  const elsewhere = ['authPath', 'createApp', 'required', 'currentIdentity', 'AuthError'];
  const added = ['issuer', 'audience', 'type', 'maxAgeSeconds', 'maxTokenLength', 'cacheSize', 'now'];
  const options = (await namesTaken('JwtAuth')).filter((name) => !added.includes(name));
  assert.deepEqual(new Set(ours.filter((name) => !values.includes(name))), new Set([...options, ...elsewhere]));
});

test('the table of jsonwebtoken names options that are here', async () => {
  const named = rowsOf('## Coming from jsonwebtoken').flatMap(([, here]) =>
    quoted(here).flatMap((text) => /^(\w+)(?:: |$)/.exec(text)?.[1] ?? []));
  const elsewhere = ['exp', 'nbf', 'aud', 'sign', 'Jwt', 'JwtAuth', 'AuthError', 'code', ...Object.keys(ERRORS)];
  const options = await namesTaken('JwtAuth');
  assert.deepEqual(named.filter((name) => ![...options, ...elsewhere].includes(name)), []);
  assert.ok(named.length > 8);
});

test('the table of channels is that of the code', () => {
  const rows = rowsOf('### What it tells').map(([channel]) => quoted(channel).join());
  assert.deepEqual(rows, Object.values(EVENTS).map(({ name }) => name));
});
