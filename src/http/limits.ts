/** Every limit and time-out of the server, with its unit and its reason. */

/** Bytes of a JSON body. A signup with the longest password fits, even if it is all escapes. */
export const MAX_BODY_BYTES: number = 16 * 1024;

/** Characters of a request target. Routes are exact paths, so no real target comes near it. */
export const MAX_TARGET_LENGTH = 2048;

/** Bytes of a request line and its headers: Node's own default, which NODE_OPTIONS could raise. */
export const MAX_HEADER_BYTES: number = 16 * 1024;

/** Header fields of a request. Node drops any more, so a request that has this many is refused. */
export const MAX_HEADERS = 1000;

/**
 * Pipelined requests without an answer, over all connections; one more closes its connection. They
 * take some 12 MB, or 420 MB if each has a header of 16 KiB. Node hands over up to some 2,200
 * requests of one connection before any handler can go on.
 */
export const MAX_PIPELINED = 3000;

/** Milliseconds for the headers of a request, from its first byte: they bound a slow client. */
export const HEADERS_TIMEOUT_MS = 5_000;

/** Milliseconds for a whole request, from its first byte to the last of its body. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** Milliseconds for which a keep-alive connection may be idle between two requests. */
export const KEEP_ALIVE_TIMEOUT_MS = 5_000;

/** Milliseconds for a TLS handshake. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;

/** Milliseconds between two looks at the time-outs above, so they end up to this much later. */
export const TIMEOUT_CHECK_MS = 1_000;

/**
 * Milliseconds without a byte in either direction, which end a connection that has no request in
 * flight or whose client does not read. Node waits twice as long for a write that is stuck.
 */
export const SILENCE_TIMEOUT_MS = 6_500;

/** Milliseconds that a graceful shutdown gives idle connections: a request may be on its way. */
export const CLOSE_IDLE_AFTER_MS = 500;

/** Milliseconds after which a graceful shutdown cuts off requests that are still in flight. */
export const CLOSE_ALL_AFTER_MS = 10_000;

/** Replies of 429 and 503 that go out at once: so many a second, and so many more in a burst. */
export const BUSY_REPLIES_PER_SECOND = 100;
export const BUSY_REPLIES_BURST = 200;

/** Milliseconds for which any further reply of 429 or 503 is held back. */
export const BUSY_REPLY_DELAY_MS = 75;
