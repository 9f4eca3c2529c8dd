/**
 * Which member of a request a guard may set.
 * Promise: Node, Express, cookie-parser and express-session do not use this member. If a guard
 * replaced one that they use, the request could fail later, or pass for that of another user.
 */
import { Socket } from 'node:net';
import { http } from '../node-modules.ts';
import { expecting, type Check } from '../options.ts';

/** Members of a request in Express 5 and 4, with cookie-parser and express-session. */
const EXPRESS_MEMBERS: ReadonlySet<string> = new Set([
  ...['accepts', 'acceptsCharset', 'acceptsCharsets', 'acceptsEncoding', 'acceptsEncodings'],
  ...['acceptsLanguage', 'acceptsLanguages', 'app', 'baseUrl', 'body', 'cookies', 'fresh', 'get'],
  ...['header', 'host', 'hostname', 'ip', 'ips', 'is', 'next', 'originalUrl', 'param', 'params'],
  ...['path', 'protocol', 'query', 'range', 'res', 'route', 'search', 'secret', 'secure'],
  ...['session', 'sessionID', 'sessionStore', 'signedCookies', 'stale', 'subdomains', 'xhr'],
]);

/** The check of the name of the member that gets the user. */
export const propertyCheck: Check = expecting(
  'a name that no member of a request has in node:http or Express, such as user',
  (name) => typeof name === 'string' && name !== '' && !isTaken(name),
);

function isTaken(name: string): boolean {
  // The guard sets the id of the session. Members with an underscore belong to body parsers.
  if (name === 'sessionId' || name.startsWith('_') || EXPRESS_MEMBERS.has(name)) return true;
  // A message has members of its own besides those of its prototype.
  return name in new http.IncomingMessage(new Socket());
}
