/**
 * The limits and time-outs of the server, with their units and reasons. All are fixed but the time
 * of keep-alive and the number of open connections, which are options of src/http/server.ts.
 */

/** Bytes of a JSON body. A signup with the longest password fits, even if it is all escapes. */
export const MAX_BODY_BYTES: number = 16 * 1024;

/** Characters of a request target. The paths and queries of real clients are shorter. */
export const MAX_TARGET_LENGTH = 2048;

/** Bytes of a request line and its headers: Node's own default, which NODE_OPTIONS could raise. */
export const MAX_HEADER_BYTES: number = 16 * 1024;

/** Header fields of a request: far more than a client or a proxy sends. */
export const MAX_HEADERS = 999;

/**
 * Pipelined requests whose reply is not sent yet, over all connections. At one more, the server
 * closes the connections whose clients do not read. If there are none, it closes the connection of
 * that request. At the limit they take some 12 MB, or 420 MB if each has a header of 16 KiB. The
 * limit cannot be much lower: Node parses up to some 2,500 small requests of one connection before
 * it sends the second reply.
 */
export const MAX_PIPELINED = 3000;

/**
 * Milliseconds in one turn of the event loop after which a connection lets other connections go
 * first, if its pipelined requests are slow.
 */
export const LONG_TURN_MS = 50;

/**
 * If the requests of a turn take fewer milliseconds than this on average, all of them are handled
 * in that turn: they are quick. Node reads more requests in each further turn. If quick ones were
 * spread over several turns, a client that sends without a pause would reach MAX_PIPELINED.
 */
export const LONG_TURN_MS_A_REQUEST = 0.5;

/**
 * Milliseconds for the headers of a request, from its first byte. For the first request of a
 * connection they run from the moment that Node accepts it. A client that sends its headers slowly,
 * or none at all, cannot hold a connection for longer.
 */
export const HEADERS_TIMEOUT_MS = 5_000;

/** Milliseconds for a whole request, from its first byte to the last of its body. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** Milliseconds for a TLS handshake. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;

/**
 * Milliseconds between two checks of the time-outs of headers and of requests. Each time-out may
 * take effect this much later.
 */
export const TIMEOUT_CHECK_MS = 1_000;

/**
 * Milliseconds without a byte in either direction, after which the server closes a connection that
 * has no request in flight, or whose client does not read its replies. It is half a second longer
 * than the time-out of the headers with its check, so that a silent client gets a 408 first. While
 * a write is stuck Node waits twice as long. Between two requests Node uses the time of keep-alive
 * instead. This limit does not follow that time, which may be far longer: a client that does not
 * read its replies must not hold a connection for so long.
 */
export const SILENCE_TIMEOUT_MS: number = HEADERS_TIMEOUT_MS + TIMEOUT_CHECK_MS + 500;

/** Seconds for which a connection may be idle between two requests: Node's own default. */
export const DEFAULT_KEEP_ALIVE_SECONDS = 5;

/** The longest such time that an operator can choose. */
export const MAX_KEEP_ALIVE_SECONDS = 3600;

/**
 * Milliseconds for which a connection must have been idle before a graceful shutdown closes it. A
 * client that has just received a reply may have its next request on the way.
 */
export const CLOSE_IDLE_AFTER_MS = 50;

/**
 * The same, if a request was in flight when the shutdown began, or has come since. Then clients are
 * at work, and on a busy machine one can take far longer than 50 ms for its next request.
 */
export const CLOSE_IDLE_UNDER_LOAD_AFTER_MS = 500;

/** Milliseconds after which a graceful shutdown cuts off requests that are still in flight. */
export const CLOSE_ALL_AFTER_MS = 10_000;

/** Replies of 429 and 503 that leak from the bucket of src/http/busy-replies.ts in a second. */
export const BUSY_REPLIES_PER_SECOND = 100;

/** Replies of 429 and 503 that fill the bucket. While it is full, every further one is delayed. */
export const BUSY_REPLIES_BURST = 200;

/** Milliseconds for which such a reply is delayed. */
export const BUSY_REPLY_DELAY_MS = 75;
