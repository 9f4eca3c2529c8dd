/**
 * Modules of Node that are loaded without an `import`, because an `import` of them would slow down
 * every start. An `import` reads all exports of a module, and some are getters that load more.
 * Since Node 22 one of node:http loads the HTTP client behind `fetch`: some 30 milliseconds, about
 * as long as Node itself takes to start.
 */
import { createRequire } from 'node:module';

// The path does not matter for a module of Node. In a bundle `import.meta.url` may be empty.
const load = createRequire('/');

export const http: typeof import('node:http') = load('node:http');

export const util: typeof import('node:util') = load('node:util');

/** For servers with TLS: other starts do not wait for it. */
export const loadHttps = (): typeof import('node:https') => load('node:https');

/** For servers with TLS: other starts do not wait for it. */
export const loadTls = (): typeof import('node:tls') => load('node:tls');
