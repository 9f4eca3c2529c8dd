/**
 * The client that signs up or logs in. An `HttpRequest` is one. With another framework, pass
 * `{ address: req.ip }`, or the address that the framework trusts.
 */
export interface Client {
  /**
   * Always absent. It makes the type reject a message of node:http, which has a socket but no
   * `address`. Such a message would otherwise fit, as newer @types/node give it a `signal`.
   */
  readonly socket?: never;
  /**
   * An IPv4 or IPv6 address. A port behind it does not count. All clients without an address, or
   * with the address `unknown`, share one count per account, as if they were one network. The
   * limits of one network for all accounts, and for signups, do not apply to them.
   */
  readonly address?: string | undefined;
  /** Aborted when the client disconnects. A password that still waits is then not hashed. */
  readonly signal?: AbortSignal | undefined;
}

/** A client that a guard has let through, and that proves its password once more. */
export interface SessionClient extends Client {
  /**
   * The session of its token, as the guard passes it to the handler. Wrong passwords count for the
   * account and this session. All tokens without a session share one count per account.
   */
  readonly sessionId?: string | undefined;
}
