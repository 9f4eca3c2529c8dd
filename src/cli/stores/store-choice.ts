/** The values of `--users`: where users and sessions are kept. */

import type { Kind } from '../arguments.ts';

/** A URL names a PostgreSQL database. */
export type StoreChoice = 'file' | 'memory' | URL;

const POSTGRES_URL = /^postgres(?:ql)?:\/\//i;

/** A URL without a host. Captures the scheme, the username, the password, the port and the rest. */
const URL_WITHOUT_HOST = /^(\w+:\/\/)(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(?::(\d*))?((?:[/?#].*)?)$/s;

const URL_FORM = 'postgres://user@host/database';
const URL_ESCAPES = 'in a password, write / ? # @ as %2F %3F %23 %40';

export const storeKind: Kind<StoreChoice> = {
  placeholder: 'file|memory|<URL>',
  expected: `file, memory or ${URL_FORM} (${URL_ESCAPES})`,
  parse: parseStoreChoice,
  isSecret: true,
};

/** A store that other processes than the server can reach. */
export type LastingStoreChoice = Exclude<StoreChoice, 'memory'>;

export const lastingStoreKind: Kind<LastingStoreChoice> = {
  placeholder: 'file|<URL>',
  expected: `file or ${URL_FORM} (${URL_ESCAPES})`,
  parse: (text) => {
    const choice = parseStoreChoice(text);
    return choice === 'memory' ? undefined : choice;
  },
  isSecret: true,
};

function parseStoreChoice(text: string): StoreChoice | undefined {
  if (text === 'memory' || text === 'file') return text;
  const url = POSTGRES_URL.test(text) ? parsePostgresUrl(text) : undefined;
  if (url === undefined) return undefined;
  // At an unescaped / ? or # in a password the rest of the password becomes the path, the query or
  // the fragment of the URL, with an @ in it. Messages show the path.
  const isPasswordCut = `${url.pathname}${url.search}${url.hash}`.includes('@');
  return isPasswordCut ? undefined : url;
}

/**
 * RFC 3986 §3.2 lets the host be empty behind a username, as in
 * `postgres://user@/database?host=/run/postgresql`, and so does PostgreSQL. The class URL does not.
 * Username, password and port then move into the query, where pg reads them too.
 */
function parsePostgresUrl(text: string): URL | undefined {
  const [, scheme, user, password, port, rest] = URL_WITHOUT_HOST.exec(text) ?? [];
  const urlText = scheme === undefined ? text : `${scheme}${rest}`;
  if (!URL.canParse(urlText)) return undefined;
  const url = new URL(urlText);
  const moved = Object.entries({ user, password, port }).map(([name, value = '']) => {
    // In a query + stands for a space, and & begins the next parameter.
    return value === '' ? '' : `${name}=${value.replace(/[+&]/g, encodeURIComponent)}`;
  });
  url.search = [...moved, url.search.slice(1)].filter((parameter) => parameter !== '').join('&');
  return url;
}

/** @returns a warning of a password in the URL; undefined without one */
export function passwordWarningOf(choice: StoreChoice): string | undefined {
  if (!(choice instanceof URL)) return undefined;
  // pg reads the password in either place.
  const hasPassword = choice.password !== '' || choice.searchParams.has('password');
  if (!hasPassword) return undefined;
  const problem = '--users: other system users can see the password in the URL, as with ps';
  const remedy = 'set PGPASSWORD in the environment, or in the file of --environment';
  return `${problem}: ${remedy}`;
}
