/**
 * Malformed and hostile requests, byte by byte, and the replies that may come back. A clause is of
 * RFC 9112 (HTTP/1.1) unless it names RFC 9110 (HTTP semantics).
 */
import { bodies } from './malformed-requests/bodies.ts';
import { cuts, expectations, pipelines, otherProtocols } from './malformed-requests/connections.ts';
import { chunks, codings, lengths } from './malformed-requests/framing.ts';
import { headers } from './malformed-requests/headers.ts';
import { requestLines, targets } from './malformed-requests/request-lines.ts';
import type { RawRow } from './malformed-requests/rows.ts';

/** @param token a valid token of joe; only a row that carries it may be answered with 200 */
export function rawRequests(token: string): RawRow[] {
  const authorization = `Authorization: JWT ${token}\r\n`;
  return [
    ...codings(),
    ...lengths(),
    ...chunks(),
    ...requestLines(authorization),
    ...targets(authorization),
    ...headers(authorization),
    ...bodies(),
    ...expectations(),
    ...pipelines(authorization),
    ...otherProtocols(),
    ...cuts(authorization),
  ];
}
