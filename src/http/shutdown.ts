/**
 * The graceful shutdown of a server. Promise: no connection is closed while a request is in flight
 * on it, or after a byte of a request was read from it, unless the 10 seconds are over.
 * Accepted: a request that arrives in the instant in which its idle connection is closed is lost.
 * HTTP/1.1 has no way to avoid that (RFC 9112 §9.5).
 */
import { Server as TcpServer } from 'node:net';
import type { Server as NodeServer } from 'node:http';
import type { Connections } from './connections.ts';
import { CLOSE_ALL_AFTER_MS } from './limits.ts';

/** Stops accepting. Resolves once all connections are closed. */
export async function closeGracefully(server: NodeServer, connections: Connections): Promise<void> {
  // http.Server.close would cut off idle connections, and a request may be on its way on one. In
  // Bun an http.Server is not a net.Server and has only its own close.
  const isTcpServer: boolean = server instanceof TcpServer;
  const closed = new Promise<void>((resolve) => {
    if (isTcpServer) TcpServer.prototype.close.call(server, () => resolve());
    else server.close(() => resolve());
  });
  connections.endAfterReplies();
  const stopClosingIdle = closeOnceIdle(connections, () => {
    // Closes those on which a request has ended and no byte of a next one has come.
    server.closeIdleConnections();
    // Bun does not count the bytes of a connection, and has closed these already.
    if (isTcpServer) connections.closeUnused();
  });
  const allTimer = setTimeout(() => server.closeAllConnections(), CLOSE_ALL_AFTER_MS);
  await closed;
  stopClosingIdle();
  clearTimeout(allTimer);
  // Stops the timer with which Node checks the time-outs.
  server.close();
}

/**
 * Closes the idle connections once each of them has been idle for long enough. It waits for the
 * last of them, because the shutdown takes no longer for that, and a request that comes meanwhile
 * is answered.
 * @returns a function that stops it
 */
function closeOnceIdle(connections: Connections, closeIdle: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  const start = () => {
    clearTimeout(timer);
    // The second callback runs after a turn of the event loop, in which Node reads all bytes that
    // have arrived at this machine. So no request among them is lost, even after a long pause.
    immediate ??= setImmediate(() => (immediate = setImmediate(closeOrWait)));
  };
  const closeOrWait = () => {
    immediate = undefined;
    const waitMs = connections.idleWaitMs();
    if (waitMs === 0) closeIdle();
    else if (waitMs !== undefined) timer = setTimeout(start, waitMs);
  };
  connections.onIdle = start;
  start();
  return () => {
    connections.onIdle = undefined;
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
