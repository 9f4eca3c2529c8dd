/**
 * Malformed and hostile requests, byte by byte, and what may come back: the table of test/http/malformed.test.ts and test/long/soak.ts.
 * The clauses are those of RFC 9112 (HTTP/1.1) and RFC 9110 (HTTP semantics).
 */
import { randomFrom } from './random.ts';

/** Stands wherever a row has a place for it: in names, hosts, targets, headers and bodies. No answer may repeat it. */
export const MARK = 'mallory';

/** What one connection sends, and what may come back. */
export interface RawRow {
  readonly name: string;
  readonly bytes: Buffer;
  /** The status of each answer, in order; where there are none, the connection is closed without a word. */
  readonly answers: readonly number[];
  /** Whether the connection goes on after them, in step. */
  readonly isKept: boolean;
  /** How the client ends its side as soon as it has sent the bytes; otherwise it leaves that to the server. */
  readonly end?: 'FIN' | 'RST';
}

/** Every character is a byte. */
const bytesOf = (text: string) => Buffer.from(text, 'latin1');
const show = (text: string) => {
  const some = text.length > 70 ? `${text.slice(0, 60)}, ${text.length} in all` : text;
  return JSON.stringify(some).slice(1, -1);
};

const TYPE = 'Content-Type: application/json\r\n';
const CHUNKED = 'Transfer-Encoding: chunked\r\n';
const LOGIN = `{"username":"${MARK}","password":"a password"}`;
const lengthOf = (body: string) => `Content-Length: ${body.length}\r\n`;
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const get = (headers = '', target = '/hello') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const post = (headers: string, body: string, path = '/auth') =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\n${TYPE}${headers}\r\n${body}`;
const whole = (body: string, headers = '', path = '/auth') => post(headers + lengthOf(body), body, path);

/** A whole signup. It stands behind every row that has to end its connection, and must not be acted upon. */
const SIGNUP = whole(LOGIN, '', '/signup');

/** What a row asks for ends the connection: nothing behind it is acted upon (RFC 9112 §9.6). */
const closes = (name: string, text: string, ...answers: number[]): RawRow => {
  return { name, bytes: bytesOf(text + SIGNUP), answers, isKept: false };
};
/** A row that is a request, if an odd one: the next request on its connection gets its own answer. */
const stays = (name: string, text: string, ...answers: number[]): RawRow => {
  return { name, bytes: bytesOf(text), answers, isKept: true };
};
/** The client ends its side behind the bytes, or resets the connection. */
const cut = (end: 'FIN' | 'RST', name: string, text: string, ...answers: number[]): RawRow => {
  return { name: `${name}, then ${end}`, bytes: bytesOf(text), answers, isKept: false, end };
};

/** Whoever reads these as chunked differs from whoever does not (§6.1, §6.3): the shapes of TE.TE. */
const OBSCURE_CODINGS = [
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  'Transfer-Encoding\r\n: chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: x chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: chunked identity',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding:',
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding: 'chunked'",
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: chunked\0',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: \x0cchunked',
  'Transfer-Encoding: chunked\x0b',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: \xefchunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
  'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\ntransfer-encoding: cow',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\r\n\tchunked',
  'Transfer-Encoding: chunked\r\n , identity',
  'X: y\r\n Transfer-Encoding: chunked',
  'X: y\r\n\tTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\r\n\rTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\nX: y',
  'Transfer-Encoding: chunked\rX: y',
  'Transfer\0-Encoding: chunked',
  'Transfer Encoding: chunked',
  'Transfer-Encoding',
  'Transfer-Encoding chunked',
  ': chunked',
];

/** One spelling of the coding is as good as another (§7: names of codings have no case). */
const CODINGS = [
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \t chunked ',
];

/** Some other header, whatever it looks like. */
const NO_CODINGS = ['X-Transfer-Encoding: chunked', 'Transfer_Encoding: chunked', 'TE: chunked', 'Transfer: chunked'];

function codings(): RawRow[] {
  const hidden = `0\r\n\r\n${SIGNUP}`;
  const both = [...CODINGS, ...OBSCURE_CODINGS];
  return [
    ...both.flatMap((line) => [
      closes(`CL.TE: ${show(line)}`, post(`${lengthOf(hidden)}${line}\r\n`, hidden), 400),
      closes(`TE.CL: ${show(line)}`, post(`${line}\r\nContent-Length: 4\r\n`, `2e\r\n${LOGIN}\r\n0\r\n\r\n`), 400),
    ]),
    ...OBSCURE_CODINGS.flatMap((line) => [
      closes(`no length: ${show(line)}`, post(`${line}\r\n`, `${chunk(LOGIN)}0\r\n\r\n`), 400),
      closes(`GET: ${show(line)}`, get(`${line}\r\n`) + '0\r\n\r\n', 400),
    ]),
    ...CODINGS.map((line) => stays(`chunked: ${show(line)}`, post(`${line}\r\n`, `${chunk(LOGIN)}0\r\n\r\n`), 401)),
    ...NO_CODINGS.map((line) => stays(`a length and ${line}`, whole(hidden, `${line}\r\n`), 400)),
    stays('a GET with a chunked body', get(CHUNKED) + `${chunk(SIGNUP)}0\r\n\r\n`, 401),
    stays('a GET with a body', get(lengthOf(SIGNUP)) + SIGNUP, 401),
    ...['/hello', '/x', '*'].map((target) => {
      return stays(`HEAD ${target}`, get('', target).replace('GET', 'HEAD'), target === '/hello' ? 401 : 404);
    }),
    stays('a HEAD with a body', get(lengthOf(SIGNUP)).replace('GET', 'HEAD') + SIGNUP, 401),
    closes('a DELETE with a body', get(lengthOf(SIGNUP)).replace('GET', 'DELETE') + SIGNUP, 405),
  ];
}

/** None of these is a length (RFC 9110 §8.6: digits alone), or not one that the server reads. */
const NO_LENGTHS = [
  '+2', '-2', '-0', '0x2', '2h', '1e1', '2.0', '.2', '2,', ',2', '2, 2', '2,3', '2 2', '2\t2', '2;2', '"2"', 'two', '',
  ' ', '2\0', '2\x0b', '\x0b2', '2\xa0', '\xa02', '\xd9\xa2', '\xef\xbc\x92', '0b10', '0o2', '1_0', '2\r\n 2', '\r\n 2',
  '2\r3',
  '2\n3', '2\nX: y', '2\rX: y', '18446744073709551616', '18446744073709551618', '99999999999999999999', '9'.repeat(400),
];

function lengths(): RawRow[] {
  const length = (value: string) => `Content-Length: ${value}\r\n`;
  const tooLong = ['16385', '1000000', '4294967298', '9007199254740993', '18446744073709551615'];
  const doubles = [
    ['two lengths', '2', '3'],
    ['the same length twice', '2', '2'],
    ['a length and 0', '2', '0'],
    ['a length and none', '2', ''],
  ] as const;
  return [
    ...NO_LENGTHS.flatMap((value) => [
      closes(`Content-Length: ${show(value)}`, post(length(value), '{}'), 400),
      closes(`GET, Content-Length: ${show(value)}`, get(length(value)) + '{}', 400),
    ]),
    ...doubles.flatMap(([name, first, second]) => [
      closes(name, post(length(first) + length(second), '{}'), 400),
      closes(`${name}, in another case`, post(length(second) + length(first).toLowerCase(), '{}'), 400),
      closes(`${name}, far apart`, get(length(first) + 'X: y\r\n'.repeat(50) + length(second)) + '{}', 400),
    ]),
    ...['Content-Length : 2', 'Content-Length\t: 2', 'Content-Length\0: 2', 'Content Length: 2'].map((line) => {
      return closes(show(line), post(`${line}\r\n`, '{}'), 400);
    }),
    ...tooLong.map((value) => closes(`a length of ${value}`, post(length(value), '{}'), 413)),
    ...['2', '002', '\t2', ' 2 ', `${'0'.repeat(60)}2`].map((value) => {
      return stays(`a good length: ${show(value)}`, post(length(value), '{}'), 401);
    }),
    closes('a length that is too short', post(length('1'), '{}'), 400, 400),
    closes('no length but a body', post('', LOGIN), 400, 400),
    closes('a length of 0 but a body', post(length('0'), LOGIN), 400, 400),
    closes('a length in a header of another name', post('Content_Length: 2\r\n', '{}'), 400, 400),
  ];
}

/** What may not stand where a chunk says its size (§7.1). */
const NO_SIZES = [
  '0x2', '-2', '+2', ' 2', '\t2', '2 2', '2,2', '2.', 'g', 'zz', '', '"2"', '2\0', '2\x0b', '2\xa0', '\xd9\xa2', '2h',
  '2\n', '2\r', '2\rX', '10000000000000002', 'fffffffffffffffff', `1${'0'.repeat(400)}`, '2;\0', '2;a=\x7f',
  '2;a="\x01"', `2;${'x'.repeat(20_000)}`, `2;${'a=b;'.repeat(5000)}`, '2;a\n=b', '2;a\r=b', '2:a', '2\t;', '2 ;a',
  '2;a b',
];

function chunks(): RawRow[] {
  const chunked = (body: string, headers = '') => post(CHUNKED + headers, body);
  const good = `${chunk(LOGIN)}0\r\n`;
  const trailers = ['Host: y', 'Authorization: JWT x', TYPE.trim(), 'TE: x', `X: ${MARK}`];
  return [
    ...NO_SIZES.map((size) => closes(`a chunk of ${show(size)}`, chunked(`${size}\r\n{}\r\n0\r\n\r\n`), 400)),
    ...['2', '02', '2;a', '2;a=b', '2;a="b c"', '2;a=b;c=d', '0'.repeat(14) + '2'].map((size) => {
      return stays(`a good chunk of ${size}`, chunked(`${size}\r\n{}\r\n0\r\n\r\n`), 401);
    }),
    closes('a chunk that is longer than it says', chunked('1\r\n{}\r\n0\r\n\r\n'), 400),
    closes('a chunk that is shorter than it says', chunked('4\r\n{}\r\n0\r\n\r\n'), 400),
    closes('a chunk without an end of line', chunked('2\r\n{}0\r\n\r\n'), 400),
    closes('a chunk that ends with LF', chunked('2\r\n{}\n0\r\n\r\n'), 400),
    closes('a chunk that ends with CR', chunked('2\r\n{}\r0\r\n\r\n'), 400),
    closes('chunks on lines that end with LF', chunked('2\n{}\n0\n\n'), 400),
    closes('a last chunk that ends with LF', chunked('2\r\n{}\r\n0\n\n'), 400),
    closes('a last chunk of several zeros and rubbish', chunked('2\r\n{}\r\n000x\r\n\r\n'), 400),
    closes('a chunk of 16 KiB and a byte', chunked(chunk(' '.repeat(16_385)) + '0\r\n\r\n'), 413),
    closes('20,000 chunks of one byte', chunked(chunk(' ').repeat(20_000) + '0\r\n\r\n'), 413),
    closes('chunks of 100 KiB in all', chunked(chunk(' '.repeat(1024)).repeat(100) + '0\r\n\r\n'), 413),
    ...['7fffffffffffffff', '8000000000000000', 'ffffffffffffffff', 'ffffffff', '100000'].map((size) => {
      return closes(`a chunk of ${size}`, chunked(`${size}\r\n${' '.repeat(20_000)}`), 413);
    }),
    ...trailers.map((line) => stays(`the trailer ${line}`, chunked(`${good}${line}\r\n\r\n`), 401)),
    ...trailers.map((line) => stays(`Trailer, and ${line}`, chunked(`${good}${line}\r\n\r\n`, 'Trailer: X\r\n'), 401)),
    closes('a length in a trailer (§7.1.2)', chunked(`${good}Content-Length: 9\r\n\r\n`), 400),
    closes('a coding in a trailer', chunked(`${good}${CHUNKED}\r\n`), 400),
    closes('a trailer without a colon', chunked(`${good}trailer\r\n\r\n`), 400),
    closes('a trailer with a space in its name', chunked(`${good}a b: c\r\n\r\n`), 400),
    closes('a trailer with NUL', chunked(`${good}a: \0\r\n\r\n`), 400),
    closes('a folded trailer', chunked(`${good}a: b\r\n c\r\n\r\n`), 400),
    closes('a trailer of 20 KiB', chunked(`${good}a: ${'x'.repeat(20_480)}\r\n\r\n`), 431),
    stays('100 trailers', chunked(`${good}${'a: b\r\n'.repeat(100)}\r\n`), 401),
    // The parser obeys it, after the answer has gone.
    closes('a trailer that ends the connection', chunked(`${good}Connection: close\r\n\r\n`), 401, 400),
  ];
}

/** No request line (§3): what stands before the headers of a request. */
const NO_REQUEST_LINES = [
  'GET', 'GET /hello', 'GET\t/hello HTTP/1.1', 'GET /hello\tHTTP/1.1',
  ' GET /hello HTTP/1.1', '\tGET /hello HTTP/1.1', 'GET /hello HTTP/1.1 ', 'GET /hello HTTP/1.1 x', 'GET HTTP/1.1',
  'GET /hello HTTP/0.9', 'GET /hello HTTP/1.2', 'GET /hello HTTP/2', 'GET /hello HTTP/2.0', 'GET /hello HTTP/3.0',
  'GET /hello HTTP/9.9', 'GET /hello HTTP/1', 'GET /hello HTTP/1.', 'GET /hello HTTP/.1', 'GET /hello HTTP/11',
  'GET /hello HTTP/1.10', 'GET /hello HTTP/01.1', 'GET /hello HTTP/1.1.1', 'GET /hello HTTP/-1.1',
  'GET /hello HTTP/1,1', 'GET /hello http/1.1', 'GET /hello Http/1.1', 'GET /hello HTTPS/1.1', 'GET /hello XTTP/1.1',
  'GET /hello ICE/1.0', 'GET /hello HTTP\\1.1', 'GET /hello HTTP/1.1\0', 'GET /hello\0 HTTP/1.1',
  'GET\0/hello HTTP/1.1', 'GET /he llo HTTP/1.1', 'GET /hello\x0b HTTP/1.1', 'GET /hello\rHTTP/1.1',
  'GET /hello\nHTTP/1.1', '/hello HTTP/1.1', 'get /hello HTTP/1.1', 'Get /hello HTTP/1.1', 'GETT /hello HTTP/1.1',
  'GE /hello HTTP/1.1', 'G\xcbT /hello HTTP/1.1', 'BREW /hello HTTP/1.1', 'MALLORY /hello HTTP/1.1',
  'GET: /hello HTTP/1.1', '"GET" /hello HTTP/1.1', '\0GET /hello HTTP/1.1', '\xef\xbb\xbfGET /hello HTTP/1.1',
  'HTTP/1.1 200 OK', 'HTTP/1.1 GET /hello', 'PRI * HTTP/2.0', 'PRI * HTTP/1.1', `${'A'.repeat(10_000)} /hello HTTP/1.1`,
  `${'A'.repeat(100_000)} /hello HTTP/1.1`, 'CONNECT x:80 HTTP/1.1', 'CONNECT /hello HTTP/1.1', 'CONNECT * HTTP/1.1',
  'CONNECT http://x/hello HTTP/1.1', `GET /hello HTTP/1.${'1'.repeat(5000)}`, 'GET\x0c/hello HTTP/1.1',
];

/** Methods that the parser of Node knows, and no route. */
const OTHER_METHODS = [
  'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'M-SEARCH', 'PURGE', 'LINK', 'SOURCE',
];

function requestLines(authorization: string): RawRow[] {
  const keep = 'Connection: keep-alive\r\n';
  return [
    ...NO_REQUEST_LINES.map((line) => closes(`request line ${show(line)}`, `${line}\r\nHost: x\r\n\r\n`, 400)),
    ...OTHER_METHODS.map((method) => closes(`${method} /hello`, get().replace('GET', method), 405)),
    ...OTHER_METHODS.map((method) => closes(`${method} /x`, get('', `/${MARK}`).replace('GET', method), 404)),
    closes('HTTP/0.9', 'GET /hello\r\n', 400),
    closes('HTTP/0.9 and a blank line', 'GET /hello\r\n\r\n', 400),
    stays('a CRLF before a request (§2.2)', `\r\n${get()}`, 401),
    stays('several before it', `\r\n\r\n\r\n${get(authorization)}`, 200),
    stays('10,000 before it', `${'\r\n'.repeat(10_000)}${get()}`, 401),
    stays('CRs before it', `\r\r\r${get()}`, 401),
    stays('two spaces before the target (§3 lets them pass)', get().replace(' ', '  '), 401),
    stays('two spaces behind the target', get().replace(' H', '  H'), 401),
    // Its parser knows two more protocols; to a route they are HTTP/1.0.
    closes('RTSP', get().replace('HTTP/1.1', 'RTSP/1.0'), 401),
    closes('DESCRIBE of RTSP', get().replace('GET', 'DESCRIBE').replace('HTTP/1.1', 'RTSP/1.0'), 405),
    closes('SOURCE of ICE', get().replace('GET', 'SOURCE').replace('HTTP/1.1', 'ICE/1.0'), 405),
    closes('LF at the ends of all lines', get().replaceAll('\r', ''), 400),
    closes('CR at the ends of all lines', get().replaceAll('\n', ''), 400),
    closes('LF CR at the ends of all lines', get().replaceAll('\r\n', '\n\r'), 400),
    closes('CR CR LF at the ends of all lines', get().replaceAll('\r\n', '\r\r\n'), 400),
    closes('HTTP/1.0', get().replace('1.1', '1.0'), 401),
    closes('HTTP/1.0 without Host', 'GET /hello HTTP/1.0\r\n\r\n', 401),
    closes('HTTP/1.0 with a coding', post(CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`).replace('1.1', '1.0'), 400),
    closes('HTTP/1.0 with a coding, kept', get(CHUNKED + keep).replace('1.1', '1.0') + '0\r\n\r\n', 400),
    stays('HTTP/1.0 that is kept', get(keep).replace('1.1', '1.0'), 401),
  ];
}

/** The path is compared as it came: nothing is decoded, joined or tidied up. */
const OTHER_PATHS = [
  '/', '//', '//hello', '/hello/', '/hello//', '/./hello', '/hello/.', '/../hello', '/x/../hello', '/%2e/hello',
  '/%2e%2e/hello', '/%2fhello', '/hello%2f', '/%68ello', '/hell%6f', '/hell%6F', '/hello%00', '/hello%20',
  '/hello%0d%0a', '/hello%0d%0aX:%20y', '/hello%3fx', '/hello%23x', '/hello;x', '/hello;x=y', '/HELLO', '/Hello',
  '/hello.json', '/hello~', '/hello\\', '/\\hello', '/x\\..\\hello', '/hello%', '/hello%zz', '/hello%u0068',
  '/hello%c0%af', '/hello%252f', '/hello,', '/hello&x', '/hello:80', '/hello*', "/hello'", '/hello"', '/hello<script>',
  '/hello|x', '/hello^x', '/hello`x', '/{hello}', `/${MARK}`, '/hello#x', '/#/hello', '/__proto__', '/constructor',
  '/toString', '/etc/passwd', '/../../etc/passwd', '//evil.example/hello', '///hello', '/@hello', '/http://x/hello',
  '/hello=1', '/$%7bjndi:ldap://x%7d', '/hello%ff', 'http://x', 'http://x/', 'https://x//hello', 'http://x/hello/',
  'http://x/%68ello', 'http://x/hello#y',
];

/** No form of a target that an origin server answers (§3.2), but one that the parser of Node lets through. */
const OTHER_FORMS = ['*', 'ftp://x/hello', 'ws://x/hello', 'javascript://x/y', 'http://', 'http:///', '*/hello', '**'];

/** Targets that the parser refuses. */
const NO_TARGETS = [
  'hello', '.', '..', '?', '?/hello', '#', '\\hello', '\\\\x\\hello', '@x', 'x:80', '[::1]', '%2fhello', '-', '~',
  'http://x y/', 'http', 'http:', 'http:/', 'http:/hello', 'http:hello', 'http://x#/hello', '://x/hello', '//\0',
  '/\x01', '/\x1f', '/\x7f',
];

/** Eight bits in a target: RFC 3986 has none. */
const EIGHT_BITS = [
  '/\xff', '/hello\xa0', '/h\xc3\xa9llo', '/hello\x80', '/\xc0\xafhello', '/hello?\xff', '/\xef\xbb\xbfhello',
  '/hello?\xc3\xa9',
];

/** The path of each of these is /hello. */
const HELLOS = [
  '/hello?', '/hello?x', '/hello?/../x', '/hello??', '/hello?%00', '/hello?a=b&a=c', '/hello?__proto__=x', '/hello?#x',
  'http://x/hello', 'https://x/hello', 'HTTP://X/hello', 'http://other.example/hello', 'http://x:99999/hello',
  'http://joe:pass@x/hello', 'http://@x/hello', 'http://x/hello?y', 'http://[::1]/hello',
];

function targets(authorization: string): RawRow[] {
  const padded = (length: number, start: string) => start.padEnd(length, 'x');
  return [
    ...OTHER_PATHS.map((target) => stays(`target ${show(target)}`, get(authorization, target), 404)),
    ...OTHER_FORMS.map((target) => stays(`target ${show(target)}`, get(authorization, target), 404)),
    ...NO_TARGETS.map((target) => closes(`target ${show(target)}`, get(authorization, target), 400)),
    ...EIGHT_BITS.map((target) => closes(`target ${show(target)}`, get('', target), 400)),
    ...HELLOS.map((target) => stays(`target ${target}`, get('', target), 401)),
    ...HELLOS.map((target) => stays(`target ${target}, with a token`, get(authorization, target), 200)),
    stays('a target of 2 KiB', get('', padded(2048, '/')), 404),
    stays('a target of 2 KiB, /hello in it', get('', padded(2048, '/hello?')), 401),
    stays('a target of 2 KiB and a byte', get(authorization, padded(2049, '/hello?')), 414),
    stays('an absolute target of 2 KiB and a byte', get('', padded(2049, 'http://x/hello?')), 414),
    stays('a target of 15 KiB', get('', padded(15_360, '/')), 414),
    closes('a target of 16 KiB', get('', padded(16_384, '/')), 431),
    closes('a target of 20 KiB', get('', padded(20_480, '/hello?')), 431),
    closes('a target of 100 KiB', get('', padded(102_400, '/%2e')), 431),
    closes('OPTIONS *', get('', '*').replace('GET', 'OPTIONS'), 404),
    closes('POST to a long target', whole(LOGIN, '', padded(2049, '/signup?')), 414),
  ];
}

const CONTROL_CODES = [...Array(32).keys(), 127].filter((code) => ![9, 10, 13].includes(code));
const CONTROLS = CONTROL_CODES.map((code) => String.fromCharCode(code));

/** No header field (§5): a name is a token, a colon follows, no value has CR, LF or NUL or goes on on another line. */
const NO_HEADERS = [
  ': x', ':', ' : x', 'X', 'X y', 'X y: z', 'X : y', 'X\t: y', 'X\r\n: y', '"X": y', 'X@: y', 'X/: y', 'X[]: y',
  '(X): y', '{X}: y', 'X,Y: z', 'X;: y', 'X=Y: z', 'X?: y', 'X\\: y', '<X>: y', '\xff: x', 'X\xff: y', 'X\xc3\xa9: y',
  '\xef\xbb\xbfX: y', ' X: y', '\tX: y', 'X: y\r\n z', 'X: y\r\n\tz', 'X:\r\n y', 'X: y\r\n \r\n', 'X: y\rz', 'X: y\nz',
  'X: y\n z', 'X: y\r z', 'X: y\nY: z', 'X: y\rY: z', 'X: y\n\n', 'X: y\r\r', 'X: y\r\n\n', 'X: \r', 'X: \n', '\r',
  '\rX: y', '\nX: y', 'GET / HTTP/1.1', `Authorization: JWT x\rAuthorization: JWT ${MARK}`,
  `X: y\nSet-Cookie: ${MARK}=1`, `X: y\rSet-Cookie: ${MARK}=1`,
];

/** Hosts of which there is none, or more than one (§3.2). */
const NO_HOSTS = [
  'joe@x', 'joe:pass@x', 'x, y', 'x,y', 'x y', 'x\ty', 'http://x', 'x/hello', 'x?y', 'x#y', 'x/', '/', ',', '@', '?',
  '#',
];

function headers(authorization: string): RawRow[] {
  const hello = (lines: string) => `GET /hello HTTP/1.1\r\n${lines}\r\n`;
  const bad = 'Authorization: JWT x\r\n';
  const pairs = [authorization + authorization, authorization + bad, bad + authorization].flatMap((pair) => [
    pair,
    pair.toLowerCase().replace('jwt', 'JWT'),
    pair.replace('Authorization', 'AUTHORIZATION'),
  ]);
  const tokens = ['Basic eDp4', 'JWT', 'Bearer', '', 'JWT a.b.c', `JWT ${MARK}`, `Bearer ${'x'.repeat(8193)}`];
  const harmless = [
    'Connection: host', 'Connection: authorization', `Connection: ${MARK}`, 'Keep-Alive: timeout=9999',
    'Range: bytes=0-1', 'If-None-Match: *', 'If-Modified-Since: x', 'Accept: text/html', 'X-HTTP-Method-Override: POST',
    'X-Original-URL: /x', 'X-Forwarded-For: 127.0.0.1', 'Forwarded: for=x', 'Max-Forwards: 0', 'Origin: null',
    '__proto__: x', 'constructor: x', 'toString: x',
  ];
  const endings = ['close', 'Close', 'x, close', 'close, keep-alive', 'keep-alive, close', 'close,'];
  const list = (count: number, line = 'X: y\r\n') => line.repeat(count);
  const manyCodings = `Transfer-Encoding: x, chunked\r\n${list(1500)}`;
  return [
    ...CONTROLS.flatMap((control) => [
      closes(`header name with ${show(control)}`, get(`${authorization}X${control}: y\r\n`), 400),
      closes(`header value with ${show(control)}`, get(`${authorization}X: ${control}y\r\n`), 400),
      closes(`method with ${show(control)}`, get(authorization).replace('GET', `GE${control}T`), 400),
      closes(`target with ${show(control)}`, get(authorization, `/hello?${control}`), 400),
    ]),
    ...NO_HEADERS.map((line) => closes(`header ${show(line)}`, get(`${authorization}${line}\r\n`), 400)),
    ...['\x80', '\xa0', '\xff', '\xc3\xa9', '\xf0\x9f\x98\x80', '\xef\xbb\xbf', '\t', ' \t y \t ', ''].map((value) => {
      return stays(`header value ${show(value)}`, get(`X: ${value}\r\n`), 401);
    }),
    ...pairs.map((pair, index) => stays(`two Authorization headers, ${index}`, get(pair), 401)),
    stays('one Authorization header', get(authorization), 200),
    ...['\xa0', '\x85', ',', ', JWT x', ' x', ';', '=', '\xff', '\t.'].map((end) => {
      return stays(`a token and ${show(end)}`, get(authorization.replace('\r\n', `${end}\r\n`)), 401);
    }),
    ...tokens.map((value) => stays(`Authorization: ${show(value)}`, get(`Authorization: ${value}\r\n`), 401)),
    ...['Proxy-Authorization', 'X-Authorization', 'Authorization_', 'Cookie', 'Authorisation'].map((name) => {
      return stays(`a token in ${name}`, get(authorization.replace('Authorization', name)), 401);
    }),
    ...NO_HOSTS.map((host) => closes(`Host: ${show(host)}`, hello(`Host: ${host}\r\n${authorization}`), 400)),
    ...['', ' ', 'x', 'x:80', '[::1]:80', 'x:', MARK, 'x'.repeat(5000), '\xff', 'x.'].map((host) => {
      return stays(`Host: ${show(host)}`, hello(`Host: ${host}\r\n`), 401);
    }),
    closes('no Host', hello(authorization), 400),
    closes('no Host in a POST', whole(LOGIN).replace('Host: x\r\n', ''), 400),
    closes('Host in another name', hello(`X-Host: x\r\n${authorization}`), 400),
    closes('two Hosts', hello(`Host: x\r\nHost: y\r\n${authorization}`), 400),
    closes('the same Host twice', hello(`Host: x\r\nhost: x\r\n${authorization}`), 400),
    closes('an empty Host and another', hello(`Host:\r\nHost: x\r\n${authorization}`), 400),
    closes('an absolute target without Host', 'GET http://x/hello HTTP/1.1\r\n\r\n', 400),
    stays('a token behind 998 headers', get(list(997) + authorization), 200),
    closes('a token behind 999 headers', get(list(998) + authorization), 431),
    closes('a token behind 1,500 headers', get(list(1500) + authorization), 431),
    closes('a second token behind 1,500 headers', get(authorization + list(1500) + bad), 431),
    closes('a second Host behind 1,500 headers', get(list(1500) + `Host: y\r\n`), 431),
    closes('another coding before 1,500 headers', post(manyCodings, '0\r\n\r\n'), 431),
    closes('3,000 headers', get(list(3000)), 431),
    closes('10,000 empty headers', get(list(10_000, 'X:\r\n')), 431),
    closes('a header of 16 KiB', get(`X: ${'x'.repeat(16_384)}\r\n`), 431),
    closes('a header of 100 KiB', get(`X: ${'x'.repeat(102_400)}\r\n`), 431),
    closes('a header name of 20 KiB', get(`${'X'.repeat(20_480)}: y\r\n`), 431),
    closes('a header without an end', `GET /hello HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_480)}`, 431),
    closes('a token of 20 KiB', get(`Authorization: JWT ${'x'.repeat(20_480)}\r\n`), 431),
    stays('a header of 15 KiB', get(`X: ${'x'.repeat(15_360)}\r\n`), 401),
    ...endings.map((value) => closes(`Connection: ${value}`, get(`Connection: ${value}\r\n`), 401)),
    closes('Proxy-Connection: close', get('Proxy-Connection: close\r\n'), 401),
    ...harmless.map((line) => stays(line, get(`${line}\r\n`), 401)),
  ];
}

/** A body that is no JSON object in UTF-8, or not declared as such. */
function bodies(): RawRow[] {
  const deep = (open: string, close: string, count: number) => open.repeat(count) + close.repeat(count);
  const noJson = [
    '', ' ', '{', '}', '{}}', '{"a":1', "{'a':1}", '{a:1}', '{"a":1,}', '[', 'undefined', 'NaN', '01', '"\n"', '"\\x"',
    '\0', '{}\0', '\xef\xbb\xbf{}', '\xfe\xff{}', '\xff\xfe{\0}\0', '{"username":"\xff"}', '"\xc0\xaf"',
    '"\xed\xa0\x80"', '"\xf4\x90\x80\x80"',
    '\x1f\x8b\x08\0\0\0\0\0', `username=${MARK}&password=x`, '<?xml version="1.0"?>', '//x\n{}', '[['.repeat(5000),
    '{"a":'.repeat(3000), `"${MARK}`,
  ];
  const noObject = ['null', 'true', '1', '1e400', '-0', '"joe"', '[]', `["${MARK}"]`, deep('[', ']', 8000)];
  const noCredentials = [
    '{}', '{"username":1,"password":2}', '{"__proto__":{"username":"joe","password":"pass"}}', '{"username":"joe"}',
    '{"username":null,"password":null}', '{"username":["joe"],"password":["pass"]}',
    '{"username":{"$ne":""},"password":{}}', `{"username":"${MARK}","password":"\\u0000"}`,
    `{"username":"${MARK}","password":"\\ud800"}`, '{"username":"","password":""}', `{"a":${deep('[', ']', 7000)}}`,
    `{${'"a":1,'.repeat(2500)}"a":1}`, `{"username":"${'x'.repeat(16_000)}","password":"y"}`,
    `{"username":"${MARK} ' OR 1=1 --","password":"x"}`, `{"username":"joe","password":"${'x'.repeat(16_000)}"}`,
  ];
  const types = [
    'text/plain', 'application/jsonp', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '',
    '*/*', 'application/json; charset=latin1', 'application/json; charset=utf-7',
    'application/json; charset=utf-8; x=y', 'application/json, text/plain', 'application/json;', 'text/json',
    'application/\xff', `application/${MARK}`,
  ];
  const withType = (type: string) => whole(LOGIN, '', '/signup').replace(TYPE, type);
  return [
    ...['/auth', '/signup'].flatMap((path) => [
      ...[...noJson, ...noObject].map((body) => stays(`${path} ${show(body)}`, whole(body, '', path), 400)),
      ...noCredentials.map((body) => {
        return stays(`${path} ${show(body)}`, whole(body, '', path), path === '/auth' ? 401 : 400);
      }),
      closes(`${path} with 16 KiB and a byte`, whole(LOGIN.padEnd(16_385), '', path), 413),
      closes(`${path} with 100 KiB`, whole(LOGIN.padEnd(102_400), '', path), 413),
    ]),
    stays('a login of 16 KiB', whole(LOGIN.padEnd(16_384)), 401),
    ...types.map((type) => closes(`Content-Type: ${show(type)}`, withType(`Content-Type: ${type}\r\n`), 415)),
    closes('no Content-Type', withType(''), 415),
    closes('two Content-Types', withType(`${TYPE}Content-Type: text/plain\r\n`), 415),
    closes('the same Content-Type twice', withType(TYPE + TYPE.toLowerCase()), 415),
    ...['gzip', 'identity', 'deflate, gzip', 'x', ''].map((encoding) => {
      return closes(`Content-Encoding: ${encoding}`, withType(`${TYPE}Content-Encoding: ${encoding}\r\n`), 415);
    }),
    closes('a body for nobody', whole(LOGIN, '', `/${MARK}`), 404),
    closes('a signup by PUT', SIGNUP.replace('POST', 'PUT'), 405),
    stays('a signup by GET', SIGNUP.replace('POST', 'GET'), 405),
  ];
}

function expectations(): RawRow[] {
  const expect = 'Expect: 100-continue\r\n';
  const settings = 'HTTP2-Settings: AAMAAABk\r\n';
  const upgrades = ['websocket', 'h2c', 'HTTP/2.0', 'TLS/1.0', MARK];
  return [
    stays('an expected body', whole(LOGIN, expect), 100, 401),
    stays('an expected body, in chunks', post(expect + CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`), 100, 401),
    closes('an expected body that is too long', post(`${expect}Content-Length: 16385\r\n`, ''), 413),
    closes('an expected body that is far too long', post(`${expect}Content-Length: 99999999999\r\n`, ''), 413),
    closes('an expected body of no length', post(`${expect}Content-Length: x\r\n`, ''), 400),
    closes('an expected body of two lengths', post(`${expect}Content-Length: 2\r\nContent-Length: 2\r\n`, '{}'), 400),
    closes('an expected body with length and coding', post(expect + lengthOf(LOGIN) + CHUNKED, LOGIN), 400),
    closes('an expected body of another type', whole(LOGIN, expect).replace('json', 'x'), 100, 415),
    closes('an expected body for nobody', whole(LOGIN, expect, '/x'), 100, 404),
    closes('an expected body, by PUT', whole(LOGIN, expect).replace('POST', 'PUT'), 100, 405),
    closes('an expected body without Host', whole(LOGIN, expect).replace('Host: x\r\n', ''), 100, 400),
    stays('a GET that expects to go on', get(expect), 100, 401),
    stays('a list of expectations', get('Expect: 100-continue, gold\r\n'), 100, 401),
    closes('an expected body in HTTP/1.0 (RFC 9110 §10.1.1)', whole(LOGIN, expect).replace('1.1', '1.0'), 401),
    ...['gold', '200-ok', '', MARK].map((value) => {
      return stays(`Expect: ${value}`, get(`Expect: ${value}\r\n`), 401);
    }),
    ...upgrades.flatMap((protocol) => {
      const upgrade = `Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`;
      return [
        closes(`Upgrade: ${protocol}`, get(upgrade), 401),
        closes(`a login that would rather have ${protocol}`, whole(LOGIN, upgrade), 401),
      ];
    }),
    closes('h2c with settings', get(`Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n${settings}`), 401),
  ];
}

/** Several requests at once: each has its own answer, in its turn, and what follows the end is not acted upon. */
function pipelines(authorization: string): RawRow[] {
  const good = get(authorization);
  const last = get(`${authorization}Connection: close\r\n`);
  return [
    stays('a hundred requests', get().repeat(100), ...Array<number>(100).fill(401)),
    stays('good and bad in turn', (good + get()).repeat(10), ...Array<number[]>(10).fill([200, 401]).flat()),
    stays('bad before good', get() + good, 401, 200),
    stays('a login before good', whole(LOGIN) + good, 401, 200),
    stays('an empty login before good', whole('') + good, 400, 200),
    stays('no JSON before good', whole('{') + good, 400, 200),
    stays('HEAD before good', get().replace('GET', 'HEAD') + good, 401, 200),
    stays('good before HEAD', whole('{}') + good, 401, 200),
    stays('a chunked login before good', post(CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`) + good, 401, 200),
    stays('blank lines between requests', `${get()}\r\n\r\n${good}`, 401, 200),
    closes('the last of its connection', last, 200),
    closes('good, and the last', good + last, 200, 200),
    closes('good, and no request', `${good}garbage\r\n\r\n`, 200, 400),
    closes('good, and no Host', `${good}GET /hello HTTP/1.1\r\n\r\n`, 200, 400),
    closes('good, and CONNECT', `${good}CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n`, 200, 400),
    closes('good, and a length and a coding', good + post(CHUNKED + lengthOf(LOGIN), LOGIN), 200, 400),
    closes('good, and no chunk', good + post(CHUNKED, 'zz\r\n'), 200, 400),
    closes('good, and a long header', good + get(`X: ${'x'.repeat(20_480)}\r\n`), 200, 431),
    closes('good, and a long body', good + whole(LOGIN.padEnd(20_000)), 200, 413),
    closes('a login, and no request', `${whole(LOGIN)}garbage\r\n\r\n`, 401, 400),
    closes('no request, and good', `garbage\r\n\r\n${good}`, 400),
    closes('no Host, and good', `GET /hello HTTP/1.1\r\n\r\n${good}`, 400),
    closes('a long header, and good', get(`X: ${'x'.repeat(20_480)}\r\n`) + good, 431),
    closes('a body for nobody, and good', whole(LOGIN, '', '/x') + good, 404),
    closes('a long body, and good', whole(LOGIN.padEnd(20_000)) + good, 413),
    closes('no type, and good', whole(LOGIN).replace(TYPE, '') + good, 415),
  ];
}

/** Other protocols, and bytes that are none. */
function strangers(): RawRow[] {
  const random = randomFrom(7);
  const noise = (length: number) => String.fromCharCode(...Array.from({ length }, () => Math.floor(random() * 256)));
  const greetings: readonly [name: string, bytes: string][] = [
    ['a TLS ClientHello', '\x16\x03\x01\x00\xc4\x01\x00\x00\xc0\x03\x03' + noise(185)],
    ['an SSLv2 hello', '\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10' + noise(37)],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
    ['an SSH banner', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['SMTP', `EHLO ${MARK}.example\r\n`],
    ['POP', `USER ${MARK}\r\n`],
    ['FTP', 'QUIT\r\n'],
    ['IRC', `NICK ${MARK}\r\n`],
    ['Redis', '*1\r\n$4\r\nPING\r\n'],
    ['memcached', 'stats\r\n'],
    ['PostgreSQL', '\0\0\0\x08\x04\xd2\x16\x2f'],
    ['MySQL', '\x20\0\0\x01\x85\xa6\x03\0\0\0\0\x01'],
    ['SMB', '\0\0\0\x45\xffSMBr\0\0\0\0'],
    ['RDP', '\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0'],
    ['SOCKS 4', '\x04\x01\0\x50\x7f\0\0\x01\0'],
    ['SOCKS 5', '\x05\x01\0'],
    ['the PROXY protocol', 'PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n'],
    ['the PROXY protocol 2', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c'],
    ['SIP', 'OPTIONS sip:x SIP/2.0\r\n\r\n'],
    ['a WebSocket frame', '\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58'],
    ['MQTT', '\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04test'],
    ['zeros', '\0'.repeat(1000)],
    ['0xff', '\xff'.repeat(1000)],
    ['spaces', ' '.repeat(1000)],
    ['a shell', '() { :;}; echo x\r\n\r\n'],
    ...Array.from({ length: 20 }, (_, index): [string, string] => [`noise ${index}`, `\x81${noise(5 + index * 50)}`]),
  ];
  return greetings.map(([name, bytes]) => closes(name, bytes, 400));
}

/** Requests that stop in the middle, because the client ends its side or is gone. */
function cuts(authorization: string): RawRow[] {
  const hello = get(authorization);
  const chunkedSignup = post(CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`, '/signup');
  /** Beginnings of a text, from its first byte to all but the last. */
  const parts = (text: string, count: number) => {
    const step = (text.length - 2) / (count - 1);
    return Array.from({ length: count }, (_, index) => text.slice(0, 1 + Math.round(index * step)));
  };
  const stopped = [...parts(hello, 8), ...parts(SIGNUP, 16), ...parts(chunkedSignup, 16)];
  return [
    cut('FIN', 'nothing', ''),
    cut('RST', 'nothing', ''),
    cut('FIN', 'a blank line', '\r\n'),
    cut('RST', 'a blank line', '\r\n'),
    ...stopped.map((text, index) => cut('FIN', `${index}: ${show(text.slice(-20))}`, text, 400)),
    ...stopped.map((text, index) => cut('RST', `${index}: ${show(text.slice(-20))}`, text)),
    cut('RST', 'a hundred requests', hello.repeat(100)),
    cut('RST', 'a login', whole(LOGIN)),
    cut('RST', 'no request', 'garbage\r\n\r\n'),
    cut('RST', 'half a body of 100 KiB', whole(LOGIN.padEnd(102_400)).slice(0, 51_200)),
    cut('RST', 'CONNECT', 'CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n'),
    cut('RST', 'an expected body', post(`Expect: 100-continue\r\n${lengthOf(LOGIN)}`, '')),
    cut('FIN', 'an expected body', post(`Expect: 100-continue\r\n${lengthOf(LOGIN)}`, ''), 100, 400),
  ];
}

/** @param token a valid one, of joe. Only a row that carries it may be answered with 200 */
export function rawRequests(token: string): RawRow[] {
  const authorization = `Authorization: JWT ${token}\r\n`;
  return [
    ...codings(), ...lengths(), ...chunks(), ...requestLines(authorization), ...targets(authorization),
    ...headers(authorization), ...bodies(), ...expectations(), ...pipelines(authorization), ...strangers(),
    ...cuts(authorization),
  ];
}
