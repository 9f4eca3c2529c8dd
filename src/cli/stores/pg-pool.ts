/** Opens a pool of connections to PostgreSQL, with the package pg. The operator installs pg. */
import { existsSync, realpathSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../../errors.ts';
import type { PgClient } from '../../postgres/client.ts';
import { propertyOf } from '../../values.ts';
import { CommandError } from '../command-errors.ts';
import { processUser } from './file-trust.ts';

/**
 * In milliseconds. The first two keep clients from waiting for a database that does not answer. The
 * last one ends a statement in the database once its client has been refused.
 */
const LIMITS = {
  connectionTimeoutMillis: 3_000,
  query_timeout: 3_000,
  statement_timeout: 3_000,
};

/** A database that stops breaks all idle connections at the same moment. */
const MIN_MS_BETWEEN_ERRORS = 1_000;

/** The members of `Pool` in pg that latchkey uses. */
interface PgPool extends PgClient {
  on(event: 'error', listener: (error: unknown) => void): void;
  end(): Promise<void>;
}

/**
 * Loads pg, and opens a pool that connects at its first query.
 * @param onError called when an idle connection breaks, at most once a second; the next query opens
 *   another one
 * @throws CommandError if pg is not installed or cannot be loaded
 */
export async function openPool(url: URL, onError: (error: unknown) => void): Promise<PgPool> {
  const Pool = loadPool(await findPg());
  // Idle connections must not keep the process alive.
  const pool = new Pool({ allowExitOnIdle: true, ...LIMITS, connectionString: url.href });
  let lastErrorAt = -Infinity;
  pool.on('error', (error) => {
    const now = performance.now();
    if (now - lastErrorAt < MIN_MS_BETWEEN_ERRORS) return;
    lastErrorAt = now;
    onError(error);
  });
  return pool;
}

type PoolConstructor = new (options: object) => PgPool;

/** Where Node finds pg. */
interface FoundPg {
  /** Node looks in its `node_modules`, and in those further up. */
  readonly folder: string;
  /** The file to load, with links resolved; undefined if the package is broken. */
  readonly file: string | undefined;
}

function loadPool({ folder, file = 'pg' }: FoundPg): PoolConstructor {
  try {
    // The file that was checked: a search for pg could find another one by now.
    const Pool: unknown = requireFrom(folder)(file).Pool;
    if (typeof Pool !== 'function') throw new TypeError('it has no Pool');
    return Pool as PoolConstructor;
  } catch (error) {
    // Node lists the modules that required a missing one, on further lines.
    const [reason = ''] = reasonOf(error).split('\n');
    const problem = `the package pg, found from ${folder}, cannot be loaded: ${reason}`;
    throw new CommandError(`--users: ${problem}. Install it again: npm install pg`);
  }
}

const OWN_FOLDER = resolve(fileURLToPath(new URL('../../..', import.meta.url)));

/**
 * If latchkey is installed globally or linked, pg is not beside it but in the project, which is the
 * working directory. If this process is root, it loads pg only from folders of root and of the
 * owner of latchkey, even if the working directory belongs to another user.
 * @throws CommandError if there is none
 */
async function findPg(): Promise<FoundPg> {
  const folders = [OWN_FOLDER, process.cwd()];
  const foreignPaths: string[] = [];
  for (const folder of folders.filter(hasPg)) {
    const file = fileOfPg(folder);
    const foreignPath = await foreignPathAbove(placesOfPg(folder, file));
    if (foreignPath === undefined) return { folder, file };
    foreignPaths.push(foreignPath);
  }
  const [foreignPath] = foreignPaths;
  if (foreignPath !== undefined) {
    const reason = 'which belongs to another user. Install pg beside latchkey, as root.';
    const problem = `root does not load the package pg from ${foreignPath}`;
    throw new CommandError(`--users: ${problem}, ${reason}`);
  }
  const problem = 'PostgreSQL needs the package pg, which is not installed';
  const places = `It was looked for from ${folders.join(' and from ')} upwards.`;
  throw new CommandError(`--users: ${problem}: npm install pg. ${places}`);
}

function fileOfPg(folder: string): string | undefined {
  try {
    return realpathSync(requireFrom(folder).resolve('pg'));
  } catch {
    return undefined;
  }
}

/**
 * Node also takes a file `node_modules/pg.js`, and a project that has the name pg itself. The file
 * is then not in the folder `node_modules/pg`.
 * @returns the paths whose owners must be trusted. For a file in that folder: the file and the
 *   folder, before and after links are resolved. For a file elsewhere: the file and all folders in
 *   which Node looks. For an unknown file: that folder and all folders in which Node looks.
 */
function placesOfPg(folder: string, file: string | undefined): readonly string[] {
  const paths = requireFrom(folder).resolve.paths('pg') ?? [];
  const found = paths.map((modules) => join(modules, 'pg')).find((place) => existsSync(place));
  const places = found === undefined ? [] : [found, realpathSync(found)];
  const searched = [folder, ...paths.filter(existsSync)];
  if (file === undefined) return [...places, ...searched];
  const isInside = places.some((place) => file.startsWith(`${place}${sep}`));
  return isInside ? [...places, file] : [file, ...searched];
}

/**
 * Root runs the code of latchkey itself, so the owner of that code is trusted like root.
 * @returns the first of these files and folders, and of the folders above them, whose owner is not
 *   trusted; undefined if there is none, or if this process is not root
 */
async function foreignPathAbove(places: readonly string[]): Promise<string | undefined> {
  if (processUser()?.uid !== 0) return undefined;
  const trusted = [0, (await lstat(OWN_FOLDER)).uid];
  for (const place of places) {
    for (let path = place; path !== dirname(path); path = dirname(path)) {
      if (!trusted.includes((await lstat(path)).uid)) return path;
    }
  }
  return undefined;
}

function requireFrom(folder: string): NodeJS.Require {
  return createRequire(join(folder, 'package.json'));
}

function hasPg(folder: string): boolean {
  try {
    requireFrom(folder).resolve('pg');
    return true;
  } catch (error) {
    // A package that is broken exists. Its error is told when it is loaded.
    return propertyOf(error, 'code') !== 'MODULE_NOT_FOUND';
  }
}
