/**
 * The server's end of the administration. A server that has a user file open listens on a Unix
 * socket in the data folder, and makes the changes that `latchkey users` asks for: no other process
 * can write the file.
 * Promise: if it cannot listen, the server logs one warning and serves all the same.
 * Accepted: the router publishes what it refuses itself, such as an unknown path or a body over 16
 * KiB, as the refusal of a client. `latchkey users` causes this in two cases: it sends a text that
 * is too long, such as a line of an import, or it is newer than the server and sends an unknown
 * path.
 */
import { AuthError, isAuthError, reasonOf } from '../../errors.ts';
import { Reply } from '../../http/reply.ts';
import { Router } from '../../http/router.ts';
import { listen } from '../../http/server.ts';
import { MAX_SOCKET_PATH_BYTES } from '../../http/unix-socket.ts';
import type { Log } from '../log.ts';
import { printable } from '../printable.ts';
import { errorLog } from '../stores/store-errors.ts';
import {
  addressOf,
  makeSocketFolder,
  removeSocketFolder,
  socketIn,
} from './administration-folder.ts';
import {
  readNameMessage,
  readUserMessage,
  stringMember,
  type AdministrationRequest,
} from './administration-messages.ts';
import type { AdministrationAction, StoreAdministration } from './store-administration.ts';
import type { UserChange } from './user-administration.ts';

/** Answers the body of a request with the body of the reply. */
type Answer = (body: unknown) => Promise<object>;
type Answers = ReadonlyMap<AdministrationRequest, Answer>;

/**
 * Listens in the data folder. The caller holds the lock of the user file, so no other server of
 * this folder is running.
 * @returns a function that stops it, to be called before the stores are closed; undefined if it
 *   cannot listen, after it has logged a warning
 */
export async function serveAdministration(
  data: string,
  administration: StoreAdministration,
  log: Log,
): Promise<(() => Promise<void>) | undefined> {
  const socket = socketIn(data);
  try {
    const address = addressOf(socket);
    if (address === undefined) {
      throw new Error(`its path has more than ${MAX_SOCKET_PATH_BYTES} bytes`);
    }
    await makeSocketFolder(socket);
    const server = await listen(routerOf(administration, log), { path: address });
    return async () => {
      await server.close();
      await removeSocketFolder(socket);
    };
  } catch (error) {
    const effect = '"latchkey users" does not work while this server runs';
    log('warning', `${effect}, because it cannot listen on ${socket}: ${reasonOf(error)}`);
    return undefined;
  }
}

/** @returns a function that logs an action, with the id of the user it was done to */
export function actionLog(log: Log): (action: AdministrationAction, id?: string) => void {
  return (action, id) => {
    const target = id === undefined ? '' : ` ${printable(id)}`;
    log('administration', `administration: ${action}${target}`, { action, ...(id && { id }) });
  };
}

function routerOf(administration: StoreAdministration, log: Log): Router {
  // Only a server of a user file listens here.
  const onError = errorLog(log, 'file');
  const router = new Router({ onError });
  for (const [name, answer] of answersOf(administration)) {
    router.post(`/${name}`, async (request) => {
      const body = await request.json();
      try {
        return await answer(body);
      } catch (error) {
        if (!isAuthError(error)) throw error;
        // Not thrown: the router would publish it as the refusal of a client.
        if (error.cause !== undefined) onError(error);
        return replyTo(error);
      }
    });
  }
  return router;
}

function answersOf(administration: StoreAdministration): Answers {
  const usernameIn = (body: unknown) => required(stringMember(body, 'username'));
  const passwordIn = (body: unknown) => required(stringMember(body, 'password'));
  const answerChange = (
    act: (username: string, body: unknown) => Promise<UserChange | undefined>,
  ): Answer => {
    return async (body) => {
      const change = await act(usernameIn(body), body);
      return { changes: change === undefined ? [] : [change] };
    };
  };
  return new Map<AdministrationRequest, Answer>([
    ['list', async (body) => ({ users: await administration.list(stringMember(body, 'after')) })],
    ['add', async (body) => {
      return { user: await administration.add(usernameIn(body), passwordIn(body)) };
    }],
    ['set-password', answerChange((username, body) => {
      return administration.setPassword(username, passwordIn(body));
    })],
    ['disable', answerChange((username) => administration.disable(username))],
    ['enable', answerChange((username) => administration.enable(username))],
    ['remove', answerChange((username) => administration.remove(username))],
    ['logout', answerChange((username) => administration.logout(username))],
    ['logout-page', (body) => administration.logoutPage(stringMember(body, 'after'))],
    ['export-users', async (body) => {
      return { users: await administration.exportUsers(stringMember(body, 'after')) };
    }],
    ['export-user', async (body) => {
      const found = await administration.exportUser(required(stringMember(body, 'id')));
      return { users: found === undefined ? [] : [found] };
    }],
    ['export-removed-names', async (body) => {
      return { names: await administration.exportRemovedNames(stringMember(body, 'after')) };
    }],
    ['import-user', async (body) => {
      return { isDone: await administration.importUser(required(readUserMessage(body))) };
    }],
    ['import-removed-name', async (body) => {
      return { isDone: await administration.importRemovedName(required(readNameMessage(body))) };
    }],
  ]);
}

function required<T>(member: T | undefined): T {
  if (member !== undefined) return member;
  const description = 'The server cannot read this request: it may be of another version';
  throw new AuthError('ERR_BAD_REQUEST', { description });
}

/** The reply also has the reason of the cause: an operator may see it, a client may not. */
function replyTo({ code, status, error, description, cause }: AuthError): Reply {
  const reason = cause === undefined ? {} : { reason: reasonOf(cause) };
  return new Reply(status, { error, description, ...reason }, { 'Error-Code': code });
}
