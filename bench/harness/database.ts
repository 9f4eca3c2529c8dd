/** The database of `npm run bench:postgres`. */

/** The environment variable with its URL. */
export const URL_VARIABLE = 'TEST_POSTGRES_URL';

/** @returns what to do, or undefined if there is a URL. An empty one is none. */
export function missingDatabase(): string | undefined {
  if ((process.env[URL_VARIABLE] ?? '') !== '') return undefined;
  const remedy = 'Set it to the URL of a PostgreSQL server, or start one for this benchmark with';
  return `${URL_VARIABLE} is not set. ${remedy} ".ci/with-postgres npm run bench:postgres".`;
}
