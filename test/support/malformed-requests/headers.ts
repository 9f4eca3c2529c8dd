/** Rows about header fields: names, values, Host and Authorization. */
import { closes, get, LOGIN, MARK, post, type RawRow, show, stays, whole } from './rows.ts';

const CONTROL_CODES = [...Array(32).keys(), 127].filter((code) => ![9, 10, 13].includes(code));
const CONTROLS = CONTROL_CODES.map((code) => String.fromCharCode(code));

/**
 * Invalid header fields (§5). A name is a token before a colon. A value has no CR, LF or NUL and
 * does not continue on another line.
 */
const INVALID_HEADERS = [
  ': x', ':', ' : x', 'X', 'X y', 'X y: z', 'X : y', 'X\t: y', 'X\r\n: y', '"X": y', 'X@: y',
  'X/: y', 'X[]: y', '(X): y', '{X}: y', 'X,Y: z', 'X;: y', 'X=Y: z', 'X?: y', 'X\\: y', '<X>: y',
  '\xff: x', 'X\xff: y', 'X\xc3\xa9: y', '\xef\xbb\xbfX: y', ' X: y', '\tX: y', 'X: y\r\n z',
  'X: y\r\n\tz', 'X:\r\n y', 'X: y\r\n \r\n', 'X: y\rz', 'X: y\nz', 'X: y\n z', 'X: y\r z',
  'X: y\nY: z', 'X: y\rY: z', 'X: y\n\n', 'X: y\r\r', 'X: y\r\n\n', 'X: \r', 'X: \n', '\r',
  '\rX: y', '\nX: y', 'GET / HTTP/1.1', `Authorization: JWT x\rAuthorization: JWT ${MARK}`,
  `X: y\nSet-Cookie: ${MARK}=1`, `X: y\rSet-Cookie: ${MARK}=1`,
];

/** Values of Host that are not one host (§3.2). */
const INVALID_HOSTS = [
  'joe@x', 'joe:pass@x', 'x, y', 'x y', 'x\ty', 'http://x', 'x/hello', 'x?y', 'x#y', 'x/', '/', '@',
  '?', '#', '"x"', 'x\\y', '<x>', 'x|', 'x^', '{x}', '`', '%', '%4', '%4g', 'x:80a', 'x:-1',
  'x:8:0', '::1', '[', ']', '[]', '[::1', '::1]', '[::1]x', '[::1]:x', '[:::]', '[1.2.3.4]', '[x]',
  '[v1]', '[v.x]', '[fe80::1%lo]', '[fe80::1%25lo]', '\xff', '\xc3\xa9',
];

/** One host each, with or without a port (RFC 3986 §3.2.2). */
const HOSTS = [
  '', ' ', 'x', 'x:80', 'x:', ':80', 'x:99999', MARK, 'x'.repeat(5000), 'x.', 'X_y-z~', 'x,y', ',',
  "!$&'()*+,;=", '%41', '%c3%A9', '192.0.2.1:80', '[::1]', '[::1]:80', '[::FFFF:192.0.2.1]:',
  '[v1.x:y]',
];

export function headers(authorization: string): RawRow[] {
  const hello = (lines: string) => `GET /hello HTTP/1.1\r\n${lines}\r\n`;
  const bad = 'Authorization: JWT x\r\n';
  const pairs = [authorization + authorization, authorization + bad, bad + authorization].flatMap(
    (pair) => [
      pair,
      pair.toLowerCase().replace('jwt', 'JWT'),
      pair.replace('Authorization', 'AUTHORIZATION'),
    ],
  );
  const tokens = [
    'Basic eDp4',
    'JWT',
    'Bearer',
    '',
    'JWT a.b.c',
    `JWT ${MARK}`,
    `Bearer ${'x'.repeat(8193)}`,
  ];
  const harmless = [
    'Connection: host', 'Connection: authorization', `Connection: ${MARK}`,
    'Keep-Alive: timeout=9999', 'Range: bytes=0-1', 'If-None-Match: *', 'If-Modified-Since: x',
    'Accept: text/html', 'X-HTTP-Method-Override: POST', 'X-Original-URL: /x',
    'X-Forwarded-For: 127.0.0.1', 'Forwarded: for=x', 'Max-Forwards: 0', 'Origin: null',
    '__proto__: x', 'constructor: x', 'toString: x',
  ];
  const endings = [
    'close',
    'Close',
    'x, close',
    'close, keep-alive',
    'keep-alive, close',
    'close,',
  ];
  const list = (count: number, line = 'X: y\r\n') => line.repeat(count);
  const manyCodings = `Transfer-Encoding: x, chunked\r\n${list(1500)}`;
  return [
    ...CONTROLS.flatMap((control) => [
      closes(`header name with ${show(control)}`, get(`${authorization}X${control}: y\r\n`), 400),
      closes(`header value with ${show(control)}`, get(`${authorization}X: ${control}y\r\n`), 400),
      closes(
        `method with ${show(control)}`,
        get(authorization).replace('GET', `GE${control}T`),
        400,
      ),
      closes(`target with ${show(control)}`, get(authorization, `/hello?${control}`), 400),
    ]),
    ...INVALID_HEADERS.map((line) =>
      closes(`header ${show(line)}`, get(`${authorization}${line}\r\n`), 400),
    ),
    ...[
      '\x80',
      '\xa0',
      '\xff',
      '\xc3\xa9',
      '\xf0\x9f\x98\x80',
      '\xef\xbb\xbf',
      '\t',
      ' \t y \t ',
      '',
    ].map((value) => {
      return stays(`header value ${show(value)}`, get(`X: ${value}\r\n`), 401);
    }),
    ...pairs.map((pair, index) => stays(`two Authorization headers, ${index}`, get(pair), 401)),
    stays('one Authorization header', get(authorization), 200),
    ...['\xa0', '\x85', ',', ', JWT x', ' x', ';', '=', '\xff', '\t.'].map((end) => {
      return stays(
        `a token and ${show(end)}`,
        get(authorization.replace('\r\n', `${end}\r\n`)),
        401,
      );
    }),
    ...tokens.map((value) =>
      stays(`Authorization: ${show(value)}`, get(`Authorization: ${value}\r\n`), 401),
    ),
    ...['Proxy-Authorization', 'X-Authorization', 'Authorization_', 'Cookie', 'Authorisation'].map(
      (name) => {
        return stays(`a token in ${name}`, get(authorization.replace('Authorization', name)), 401);
      },
    ),
    ...INVALID_HOSTS.map((host) =>
      closes(`Host: ${show(host)}`, hello(`Host: ${host}\r\n${authorization}`), 400),
    ),
    ...HOSTS.map((host) => stays(`Host: ${show(host)}`, hello(`Host: ${host}\r\n`), 401)),
    closes('no Host', hello(authorization), 400),
    closes('no Host in a POST', whole(LOGIN).replace('Host: x\r\n', ''), 400),
    closes('Host in another name', hello(`X-Host: x\r\n${authorization}`), 400),
    closes('two Hosts that look like one', hello(`Host: [v1.x\r\nHost: y]\r\n`), 400),
    closes('two empty Hosts', hello(`Host:\r\nHost:\r\n${authorization}`), 400),
    closes('two Hosts in HTTP/1.0', hello('Host: x\r\nHost: x\r\n').replace('1.1', '1.0'), 400),
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
    closes(
      'a header without an end',
      `GET /hello HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_480)}`,
      431,
    ),
    closes('a token of 20 KiB', get(`Authorization: JWT ${'x'.repeat(20_480)}\r\n`), 431),
    stays('a header of 15 KiB', get(`X: ${'x'.repeat(15_360)}\r\n`), 401),
    ...endings.map((value) => closes(`Connection: ${value}`, get(`Connection: ${value}\r\n`), 401)),
    closes('Proxy-Connection: close', get('Proxy-Connection: close\r\n'), 401),
    ...harmless.map((line) => stays(line, get(`${line}\r\n`), 401)),
  ];
}
