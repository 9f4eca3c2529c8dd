/**
 * The client that signs up or logs in. An `HttpRequest` is one. With another framework, pass
 * `{ address: req.ip }`, or the address that the framework trusts.
 */
export interface Client {
  /**
   * Always absent. The type rejects a message of node:http, which has a socket but no `address`.
   * Without this member it would match, because newer versions of @types/node declare a `signal`.
   */
  readonly socket?: never;
  /**
   * An IPv4 or IPv6 address. For each account, all clients without one count as one network. There
   * is no other limit by network for them.
   */
  readonly address?: string | undefined;
  /** Aborted when the client disconnects. A password that still waits is then not hashed. */
  readonly signal?: AbortSignal | undefined;
}
