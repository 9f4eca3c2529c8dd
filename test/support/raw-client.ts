/** Sends malformed requests over raw sockets, and checks every byte that comes back. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { ERRORS } from '../../src/error-codes.ts';
import { MARK, type RawRow } from './malformed-requests/rows.ts';

/** Sent after a row that keeps its connection. A parser that is out of step would misread it. */
const LAST = 'GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

/** A reply, as received. */
interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Every body that may come back. None repeats a part of the request. */
const BODIES: ReadonlySet<string> = new Set([
  '{"Status":"Success","result":"Hello joe"}\n',
  '{"Status":"Error","result":"Password must have 4 to 256 characters"}\n',
  ...[
    'The Content-Type header is malformed or repeated',
    'The charset of the body must be UTF-8',
    'The body must have no content coding, such as gzip',
  ].map((description) => {
    const [status, error] = ERRORS.ERR_CONTENT_TYPE;
    return `${JSON.stringify({ status_code: status, error, description })}\n`;
  }),
  ...Object.values(ERRORS).flatMap(([status, error, description]) => {
    const usual = { status_code: status, error, description };
    return [usual, { Status: 'Error', result: description }].map(
      (body) => `${JSON.stringify(body)}\n`,
    );
  }),
]);

const ALWAYS = [
  'cache-control',
  'content-length',
  'content-type',
  'date',
  'x-content-type-options',
];

/**
 * Sends a row, and one more request if the row keeps its connection.
 * @param splitAt the length of the first of two packets; by default there is one packet
 * @returns a promise that resolves once the server has closed the connection
 */
export async function tryRow(port: number, row: RawRow, splitAt?: number): Promise<void> {
  const { answers, bytes, isKept, name } = row;
  const { text, isReset } = await exchange(port, row, splitAt);
  const isHead = bytes.subarray(0, 5).equals(Buffer.from('HEAD '));
  const seen = readAnswers(text, isHead, name);
  const statuses = seen.map(({ status }) => status);
  const wanted = isKept ? [...answers, 404] : answers;
  assert.deepEqual(statuses, wanted, name);
  // The last reply must say that it is the last.
  if (!isReset && seen.length > 0)
    assert.equal(seen.at(-1)?.headers.get('connection'), 'close', name);
  for (const answer of seen) {
    if (answer.status !== 100) assertProper(answer, name, isHead);
  }
}

function assertProper({ status, headers, body }: RawAnswer, name: string, isHead: boolean): void {
  const own = status === 401 ? ['www-authenticate'] : status === 405 ? ['allow'] : [];
  if (status >= 400) own.push('error-code');
  if (body.includes('content coding')) own.push('accept-encoding');
  const others = [...headers.keys()]
    .filter((name) => name !== 'connection' && name !== 'keep-alive')
    .sort();
  assert.deepEqual(others, [...ALWAYS, ...own].sort(), name);
  if (status >= 400) {
    const found = Object.entries(ERRORS).find(([code]) => code === headers.get('error-code'));
    assert.equal(found?.[1][0], status, name);
  }
  assert.equal(headers.get('content-type'), 'application/json', name);
  assert.equal(headers.get('cache-control'), 'no-store', name);
  assert.equal(headers.get('x-content-type-options'), 'nosniff', name);
  assert.ok(!Number.isNaN(Date.parse(headers.get('date') ?? '')), name);
  assert.ok(![...headers.values()].join().includes(MARK), name);
  if (isHead) return;
  assert.ok(BODIES.has(body), `${name}: ${body}`);
  const { status_code: told } = JSON.parse(body) as { status_code?: number };
  assert.ok(told === undefined || told === status, name);
}

/** Parses replies, and fails if the text holds more than whole replies. */
function readAnswers(text: string, isHead: boolean, row: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; rest !== '';) {
    const end = rest.indexOf('\r\n\r\n');
    const [line = '', ...fields] = rest.slice(0, end).split('\r\n');
    const [, code] = /^HTTP\/1\.1 (\d{3}) [A-Z][A-Za-z ]*$/.exec(line) ?? [];
    assert.ok(
      end > 0 && code !== undefined,
      `${row}: not an answer: ${JSON.stringify(rest.slice(0, 200))}`,
    );
    const headers = new Map<string, string>();
    for (const field of fields) {
      const [, name = '', value = ''] = /^([A-Za-z-]+): (.*)$/.exec(field) ?? [];
      const key = name.toLowerCase();
      const isExpected = name !== '' && (key === 'www-authenticate' || !headers.has(key));
      assert.ok(isExpected, `${row}: an unexpected header: ${field}`);
      headers.set(key, value);
    }
    const hasBody = code !== '100' && !(isHead && answers.length === 0);
    const bodyLength = hasBody ? Number(headers.get('content-length')) : 0;
    const body = rest.slice(end + 4, end + 4 + bodyLength);
    assert.equal(body.length, bodyLength, `${row}: an answer that was cut off`);
    answers.push({ status: Number(code), headers, body });
    rest = rest.slice(end + 4 + bodyLength);
  }
  return answers;
}

/** Counts replies by their beginnings: the server writes each of them whole. */
const countAnswers = (text: string): number => text.split(/(?:^|\n)HTTP\/1\.1 /).length - 1;

function exchange(
  port: number,
  row: RawRow,
  splitAt?: number,
): Promise<{ text: string; isReset: boolean }> {
  const { answers, bytes, end, isKept, name } = row;
  return new Promise((resolve, reject) => {
    let text = '';
    let isReset = false;
    let isLastSent = false;
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const finish = () => {
      if (end === 'RST') socket.resetAndDestroy();
      else if (end === 'FIN') socket.end();
    };
    socket.setNoDelay(true);
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      const [first, rest] =
        splitAt === undefined ? [bytes] : [bytes.subarray(0, splitAt), bytes.subarray(splitAt)];
      if (rest === undefined) socket.write(first, finish);
      else socket.write(first, () => setImmediate(() => socket.write(rest, finish)));
    });
    socket.setTimeout(9_000, () =>
      socket.destroy(new Error(`${name}: no end after 9 s, but: ${text.slice(0, 500)}`)),
    );
    socket.on('data', (some: string) => {
      text += some;
      if (!isKept || isLastSent || countAnswers(text) < answers.length) return;
      isLastSent = true;
      socket.write(LAST);
    });
    socket.on('end', () => socket.end());
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The system resets the connection if bytes arrive after the server has closed it.
      isReset = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      if (!isReset) reject(error);
    });
    socket.on('close', () => resolve({ text, isReset }));
  });
}

/** Distributes rows over lanes, which can run at the same time. */
export function lanesOf<Row>(rows: readonly Row[], count = 6): Row[][] {
  return Array.from({ length: count }, (_, lane) => {
    return rows.filter((_row, index) => index % count === lane);
  });
}

/** @returns the resident memory of a process in MiB */
export async function rssOf(pid = 0): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', `${pid}`]);
  return Number(stdout) / 1024;
}
