/** Rows about the request line: methods, targets and versions. */
import {
  chunk,
  CHUNKED,
  closes,
  get,
  LOGIN,
  MARK,
  post,
  type RawRow,
  show,
  stays,
  whole,
} from './rows.ts';

/** Invalid request lines (§3). */
const INVALID_REQUEST_LINES = [
  'GET', 'GET /hello', 'GET\t/hello HTTP/1.1', 'GET /hello\tHTTP/1.1', ' GET /hello HTTP/1.1',
  '\tGET /hello HTTP/1.1', 'GET /hello HTTP/1.1 ', 'GET /hello HTTP/1.1 x', 'GET HTTP/1.1',
  'GET /hello HTTP/0.9', 'GET /hello HTTP/1.2', 'GET /hello HTTP/2', 'GET /hello HTTP/2.0',
  'GET /hello HTTP/3.0', 'GET /hello HTTP/9.9', 'GET /hello HTTP/1', 'GET /hello HTTP/1.',
  'GET /hello HTTP/.1', 'GET /hello HTTP/11', 'GET /hello HTTP/1.10', 'GET /hello HTTP/01.1',
  'GET /hello HTTP/1.1.1', 'GET /hello HTTP/-1.1', 'GET /hello HTTP/1,1', 'GET /hello http/1.1',
  'GET /hello Http/1.1', 'GET /hello HTTPS/1.1', 'GET /hello XTTP/1.1', 'GET /hello ICE/1.0',
  'GET /hello HTTP\\1.1', 'GET /hello HTTP/1.1\0', 'GET /hello\0 HTTP/1.1', 'GET\0/hello HTTP/1.1',
  'GET /he llo HTTP/1.1', 'GET /hello\x0b HTTP/1.1', 'GET /hello\rHTTP/1.1', 'GET /hello\nHTTP/1.1',
  '/hello HTTP/1.1', 'get /hello HTTP/1.1', 'Get /hello HTTP/1.1', 'GETT /hello HTTP/1.1',
  'GE /hello HTTP/1.1', 'G\xcbT /hello HTTP/1.1', 'BREW /hello HTTP/1.1', 'MALLORY /hello HTTP/1.1',
  'GET: /hello HTTP/1.1', '"GET" /hello HTTP/1.1', '\0GET /hello HTTP/1.1',
  '\xef\xbb\xbfGET /hello HTTP/1.1', 'HTTP/1.1 200 OK', 'HTTP/1.1 GET /hello', 'PRI * HTTP/2.0',
  'PRI * HTTP/1.1', `${'A'.repeat(10_000)} /hello HTTP/1.1`,
  `${'A'.repeat(100_000)} /hello HTTP/1.1`, 'CONNECT x:80 HTTP/1.1', 'CONNECT /hello HTTP/1.1',
  'CONNECT * HTTP/1.1', 'CONNECT http://x/hello HTTP/1.1', `GET /hello HTTP/1.${'1'.repeat(5000)}`,
  'GET\x0c/hello HTTP/1.1',
];

/** Methods that Node's parser knows and that no route has. */
const OTHER_METHODS = [
  'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'SEARCH', 'M-SEARCH', 'PURGE',
  'LINK', 'SOURCE',
];

export function requestLines(authorization: string): RawRow[] {
  const keep = 'Connection: keep-alive\r\n';
  return [
    ...INVALID_REQUEST_LINES.map((line) =>
      closes(`request line ${show(line)}`, `${line}\r\nHost: x\r\n\r\n`, 400),
    ),
    ...OTHER_METHODS.map((method) => closes(`${method} /hello`, get().replace('GET', method), 405)),
    ...OTHER_METHODS.map((method) =>
      closes(`${method} /x`, get('', `/${MARK}`).replace('GET', method), 404),
    ),
    closes('HTTP/0.9', 'GET /hello\r\n', 400),
    closes('HTTP/0.9 and a blank line', 'GET /hello\r\n\r\n', 400),
    stays('a CRLF before a request (§2.2)', `\r\n${get()}`, 401),
    stays('several before it', `\r\n\r\n\r\n${get(authorization)}`, 200),
    stays('10,000 before it', `${'\r\n'.repeat(10_000)}${get()}`, 401),
    stays('CRs before it', `\r\r\r${get()}`, 401),
    stays('two spaces before the target (§3 lets them pass)', get().replace(' ', '  '), 401),
    stays('two spaces behind the target', get().replace(' H', '  H'), 401),
    // Node's parser knows two more protocols. To a route they are HTTP/1.0.
    closes('RTSP', get().replace('HTTP/1.1', 'RTSP/1.0'), 401),
    closes(
      'DESCRIBE of RTSP',
      get().replace('GET', 'DESCRIBE').replace('HTTP/1.1', 'RTSP/1.0'),
      405,
    ),
    closes('SOURCE of ICE', get().replace('GET', 'SOURCE').replace('HTTP/1.1', 'ICE/1.0'), 405),
    closes('LF at the ends of all lines', get().replaceAll('\r', ''), 400),
    closes('CR at the ends of all lines', get().replaceAll('\n', ''), 400),
    closes('LF CR at the ends of all lines', get().replaceAll('\r\n', '\n\r'), 400),
    closes('CR CR LF at the ends of all lines', get().replaceAll('\r\n', '\r\r\n'), 400),
    closes('HTTP/1.0', get().replace('1.1', '1.0'), 401),
    closes('HTTP/1.0 without Host', 'GET /hello HTTP/1.0\r\n\r\n', 401),
    closes(
      'HTTP/1.0 with a coding',
      post(CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`).replace('1.1', '1.0'),
      400,
    ),
    closes(
      'HTTP/1.0 with a coding, kept',
      get(CHUNKED + keep).replace('1.1', '1.0') + '0\r\n\r\n',
      400,
    ),
    stays('HTTP/1.0 that is kept', get(keep).replace('1.1', '1.0'), 401),
  ];
}

/** Paths that are not /hello, because the router does not decode or normalise a path. */
const OTHER_PATHS = [
  '/', '//', '//hello', '/hello/', '/hello//', '/./hello', '/hello/.', '/../hello', '/x/../hello',
  '/%2e/hello', '/%2e%2e/hello', '/%2fhello', '/hello%2f', '/%68ello', '/hell%6f', '/hell%6F',
  '/hello%00', '/hello%20', '/hello%0d%0a', '/hello%0d%0aX:%20y', '/hello%3fx', '/hello%23x',
  '/hello;x', '/hello;x=y', '/HELLO', '/Hello', '/hello.json', '/hello~', '/hello\\', '/\\hello',
  '/x\\..\\hello', '/hello%', '/hello%zz', '/hello%u0068', '/hello%c0%af', '/hello%252f', '/hello,',
  '/hello&x', '/hello:80', '/hello*', "/hello'", '/hello"', '/hello<script>', '/hello|x',
  '/hello^x', '/hello`x', '/{hello}', `/${MARK}`, '/hello#x', '/#/hello', '/__proto__',
  '/constructor', '/toString', '/etc/passwd', '/../../etc/passwd', '//evil.example/hello',
  '///hello', '/@hello', '/http://x/hello', '/hello=1', '/$%7bjndi:ldap://x%7d', '/hello%ff',
  'http://x', 'http://x/', 'https://x//hello', 'http://x/hello/', 'http://x/%68ello',
  'http://x/hello#y',
];

/** Targets for which an origin server has no answer (§3.2), but which Node's parser accepts. */
const OTHER_FORMS = [
  '*',
  'ftp://x/hello',
  'ws://x/hello',
  'javascript://x/y',
  '*/hello',
  '**',
];

/** Targets that Node's parser refuses. */
const INVALID_TARGETS = [
  'hello', '.', '..', '?', '?/hello', '#', '\\hello', '\\\\x\\hello', '@x', 'x:80', '[::1]',
  '%2fhello', '-', '~', 'http://x y/', 'http', 'http:', 'http:/', 'http:/hello', 'http:hello',
  'http://x#/hello', '://x/hello', '//\0', '/\x01', '/\x1f', '/\x7f',
];

/** Absolute targets without a valid host (RFC 9110 §4.2.1, §4.2.4), though Node accepts them. */
const INVALID_AUTHORITIES = [
  'http://', 'http:///', 'http:///hello', 'https:///hello', 'HTTP:///hello', 'http://?/hello',
  'http://:/hello', 'http://:80/hello', 'http://joe@x/hello', 'http://joe:pass@x/hello',
  'http://@x/hello', 'http://@/hello', 'http://x@/hello', 'http://x:y/hello',
  'http://x:80:80/hello',
  'http://[::1/hello', 'http://[]/hello', 'http://[::1%25lo]/hello', 'http://::1/hello',
  'http://%4/hello',
];

/** Targets with bytes beyond ASCII, which RFC 3986 does not allow. */
const NON_ASCII_TARGETS = [
  '/\xff', '/hello\xa0', '/h\xc3\xa9llo', '/hello\x80', '/\xc0\xafhello', '/hello?\xff',
  '/\xef\xbb\xbfhello', '/hello?\xc3\xa9',
];

/** Targets whose path is /hello. */
const HELLOS = [
  '/hello?', '/hello?x', '/hello?/../x', '/hello??', '/hello?%00', '/hello?a=b&a=c',
  '/hello?__proto__=x', '/hello?#x', 'http://x/hello', 'https://x/hello', 'HTTP://X/hello',
  'http://other.example/hello', 'http://x:99999/hello', 'http://x:/hello', 'http://x,y/hello',
  'http://x/hello?y', 'http://x/hello?joe:pass@y', 'http://[::1]/hello', 'http://[::1]:80/hello',
  'http://%41/hello',
];

export function targets(authorization: string): RawRow[] {
  const padded = (length: number, start: string) => start.padEnd(length, 'x');
  return [
    ...OTHER_PATHS.map((target) =>
      stays(`target ${show(target)}`, get(authorization, target), 404),
    ),
    ...OTHER_FORMS.map((target) =>
      stays(`target ${show(target)}`, get(authorization, target), 404),
    ),
    ...INVALID_TARGETS.map((target) =>
      closes(`target ${show(target)}`, get(authorization, target), 400),
    ),
    ...INVALID_AUTHORITIES.map((target) =>
      closes(`target ${show(target)}`, get(authorization, target), 400),
    ),
    ...NON_ASCII_TARGETS.map((target) => closes(`target ${show(target)}`, get('', target), 400)),
    ...HELLOS.map((target) => stays(`target ${target}`, get('', target), 401)),
    ...HELLOS.map((target) =>
      stays(`target ${target}, with a token`, get(authorization, target), 200),
    ),
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
