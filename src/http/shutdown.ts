/**
 * The graceful shutdown of a server. Promise: for 10 seconds a connection is not closed while it
 * has a request in flight, nor once the first byte of its next request was read.
 * Accepted: a request that arrives in the instant in which its idle connection is closed is lost.
 * HTTP/1.1 has no way to avoid that (RFC 9112 §9.5). A request behind one that was in flight at
 * the beginning is lost too: the reply to the earlier one says `Connection: close`.
 */
import { Server as TcpServer } from 'node:net';
// Jest's environment jsdom has no setImmediate, and a test may replace the global timers.
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers';
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
    // Closes each that has had a request, unless a byte of its next request has come.
    server.closeIdleConnections();
    // Bun does not count the bytes of a connection, and closes unused ones in the call above.
    if (isTcpServer) connections.closeUnused();
  });
  const closeAll = () => {
    server.closeAllConnections();
    connections.closeAll();
  };
  const allTimer = setTimeout(closeAll, CLOSE_ALL_AFTER_MS);
  await closed;
  stopClosingIdle();
  clearTimeout(allTimer);
  // Stops the timer with which Node checks the time-outs.
  server.close();
}

/**
 * Closes all idle connections at once, when the last of them has been idle for long enough. The
 * shutdown has to wait for that one anyway, and until then the others can still send a request.
 * @returns a function that stops the waiting
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
  connections.onChange = start;
  start();
  return () => {
    connections.onChange = undefined;
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
