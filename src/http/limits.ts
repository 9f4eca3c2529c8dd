/**
 * The fixed limits and time-outs of the server, with their units and reasons. The number of open
 * connections and the time of keep-alive are options, in src/http/server.ts.
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
 * Pipelined requests without a reply, over all connections. One more closes its connection. They
 * take some 12 MB, or 420 MB if each has a header of 16 KiB. The limit cannot be much lower: Node
 * parses up to some 2,200 small requests of one connection before any handler can reply.
 */
export const MAX_PIPELINED = 3000;

/**
 * Milliseconds for the headers of a request, from its first byte. A client that sends them slowly
 * cannot hold a connection for longer.
 */
export const HEADERS_TIMEOUT_MS = 5_000;

/** Milliseconds for a whole request, from its first byte to the last of its body. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** Milliseconds for a TLS handshake. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;

/**
 * Milliseconds between two checks of the first two time-outs above. They take effect up to this
 * much later.
 */
export const TIMEOUT_CHECK_MS = 1_000;

/** TIMEOUT_CHECK_MS, and half a second to send the 408. */
const SILENCE_MARGIN_MS = 1_500;

/**
 * The time-out of a connection that has no request in flight, or whose client does not read its
 * replies. It is longer than the time-out of the headers with its check, so that a client that
 * stops amid its headers gets a 408 first. It is also longer than keep-alive: a proxy may keep a
 * new connection for as long before it sends a request. While a write is stuck Node waits twice as
 * long.
 * @param keepAliveMs milliseconds for which a connection may be idle between two requests
 * @returns milliseconds without a byte in either direction, after which the server closes it
 */
export function silenceTimeoutMs(keepAliveMs: number): number {
  return Math.max(keepAliveMs, HEADERS_TIMEOUT_MS) + SILENCE_MARGIN_MS;
}

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
