/**
 * `latchkey users export`: writes all users with their hashes, and then all removed names, so that
 * another store can import them.
 * Promise: an export of a user file that no server has open shows the users of one moment.
 * Accepted: an export of a running server or of a database does not. If a user is removed
 * meanwhile, the export may have both the user and the removed name. If a removed name gets a new
 * user meanwhile, the export may have neither. So an operator must stop the servers for a move.
 */
import { pagesOf, type UserAdministration } from '../administration/user-administration.ts';
import { writeOutput } from '../output.ts';
import { removedNameLine, userLine } from './import-lines.ts';

/**
 * Writes one line for each user, and one for each removed name that no user has. Both are sorted by
 * id in code point order.
 * @param output is not ended
 * @returns the number of users, once the output has taken all lines
 * @throws AuthError or CommandError if the users cannot be read; CommandError if the output fails
 */
export async function exportUsers(
  administration: Pick<UserAdministration, 'exportUsers' | 'exportRemovedNames'>,
  output: NodeJS.WritableStream,
): Promise<number> {
  // `writeOutput` rejects with the error. Without a listener the event would end the process.
  output.on('error', () => undefined);
  let userCount = 0;
  for await (const users of pagesOf((after) => administration.exportUsers(after))) {
    await writeOutput(output, users.map(userLine).join(''));
    userCount += users.length;
  }
  for await (const names of pagesOf((after) => administration.exportRemovedNames(after))) {
    await writeOutput(output, names.map(removedNameLine).join(''));
  }
  return userCount;
}
