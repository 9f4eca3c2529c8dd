/**
 * Rows about a connection: expectations, upgrades, pipelining, other protocols and disconnects.
 */
import { randomFrom } from '../random.ts';
import {
  chunk,
  CHUNKED,
  closes,
  cut,
  get,
  lengthOf,
  LOGIN,
  MARK,
  post,
  type RawRow,
  show,
  SIGNUP,
  stays,
  TYPE,
  whole,
} from './rows.ts';

export function expectations(): RawRow[] {
  const expect = 'Expect: 100-continue\r\n';
  const settings = 'HTTP2-Settings: AAMAAABk\r\n';
  const upgrades = ['websocket', 'h2c', 'HTTP/2.0', 'TLS/1.0', MARK];
  return [
    stays('an expected body', whole(LOGIN, expect), 100, 401),
    stays(
      'an expected body, in chunks',
      post(expect + CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`),
      100,
      401,
    ),
    closes(
      'an expected body that is too long',
      post(`${expect}Content-Length: 16385\r\n`, ''),
      413,
    ),
    closes(
      'an expected body that is far too long',
      post(`${expect}Content-Length: 99999999999\r\n`, ''),
      413,
    ),
    closes('an expected body of no length', post(`${expect}Content-Length: x\r\n`, ''), 400),
    closes(
      'an expected body of two lengths',
      post(`${expect}Content-Length: 2\r\nContent-Length: 2\r\n`, '{}'),
      400,
    ),
    closes(
      'an expected body with length and coding',
      post(expect + lengthOf(LOGIN) + CHUNKED, LOGIN),
      400,
    ),
    closes('an expected body of another type', whole(LOGIN, expect).replace('json', 'x'), 100, 415),
    closes('an expected body for an unknown path', whole(LOGIN, expect, '/x'), 100, 404),
    closes('an expected body, by PUT', whole(LOGIN, expect).replace('POST', 'PUT'), 100, 405),
    closes(
      'an expected body without Host',
      whole(LOGIN, expect).replace('Host: x\r\n', ''),
      400,
    ),
    closes(
      'an expected body with two hosts in Host',
      whole(LOGIN, expect).replace('Host: x', 'Host: a, b'),
      400,
    ),
    closes(
      'an expected body with a coding in HTTP/1.0',
      post(expect + CHUNKED, '').replace('1.1', '1.0'),
      400,
    ),
    stays('a GET that expects to go on', get(expect), 100, 401),
    stays('a list of expectations', get('Expect: 100-continue, gold\r\n'), 100, 401),
    closes(
      'an expected body in HTTP/1.0 (RFC 9110 §10.1.1)',
      whole(LOGIN, expect).replace('1.1', '1.0'),
      401,
    ),
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
    closes(
      'h2c with settings',
      get(`Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n${settings}`),
      401,
    ),
  ];
}

/** Pipelining: replies come in order, and requests behind the last one are not acted upon. */
export function pipelines(authorization: string): RawRow[] {
  const good = get(authorization);
  const last = get(`${authorization}Connection: close\r\n`);
  return [
    stays('a hundred requests', get().repeat(100), ...Array<number>(100).fill(401)),
    stays(
      'good and bad in turn',
      (good + get()).repeat(10),
      ...Array<number[]>(10).fill([200, 401]).flat(),
    ),
    stays('bad before good', get() + good, 401, 200),
    stays('a login before good', whole(LOGIN) + good, 401, 200),
    stays('an empty login before good', whole('') + good, 400, 200),
    stays('no JSON before good', whole('{') + good, 400, 200),
    stays('HEAD before good', get().replace('GET', 'HEAD') + good, 401, 200),
    stays('good before HEAD', whole('{}') + good, 401, 200),
    stays(
      'a chunked login before good',
      post(CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`) + good,
      401,
      200,
    ),
    stays('blank lines between requests', `${get()}\r\n\r\n${good}`, 401, 200),
    closes('the last of its connection', last, 200),
    closes('good, and the last', good + last, 200, 200),
    closes('good, and no request', `${good}garbage\r\n\r\n`, 200, 400),
    closes('good, and no Host', `${good}GET /hello HTTP/1.1\r\n\r\n`, 200, 400),
    closes('good, and CONNECT', `${good}CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n`, 200, 400),
    closes(
      'good, and a length and a coding',
      good + post(CHUNKED + lengthOf(LOGIN), LOGIN),
      200,
      400,
    ),
    closes('good, and no chunk', good + post(CHUNKED, 'zz\r\n'), 200, 400),
    closes('good, and a long header', good + get(`X: ${'x'.repeat(20_480)}\r\n`), 200, 431),
    closes('good, and a long body', good + whole(LOGIN.padEnd(20_000)), 200, 413),
    closes('a login, and no request', `${whole(LOGIN)}garbage\r\n\r\n`, 401, 400),
    closes('no request, and good', `garbage\r\n\r\n${good}`, 400),
    closes('no Host, and good', `GET /hello HTTP/1.1\r\n\r\n${good}`, 400),
    closes('a long header, and good', get(`X: ${'x'.repeat(20_480)}\r\n`) + good, 431),
    closes('a body for an unknown path, and good', whole(LOGIN, '', '/x') + good, 404),
    closes('a long body, and good', whole(LOGIN.padEnd(20_000)) + good, 413),
    closes('no type, and good', whole(LOGIN).replace(TYPE, '') + good, 415),
  ];
}

/** Other protocols, and noise. */
export function otherProtocols(): RawRow[] {
  const random = randomFrom(7);
  const noise = (length: number) =>
    String.fromCharCode(...Array.from({ length }, () => Math.floor(random() * 256)));
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
    ...Array.from({ length: 20 }, (_, index): [string, string] => [
      `noise ${index}`,
      `\x81${noise(5 + index * 50)}`,
    ]),
  ];
  return greetings.map(([name, bytes]) => closes(name, bytes, 400));
}

/** Requests that stop in the middle, because the client ends or resets the connection. */
export function cuts(authorization: string): RawRow[] {
  const hello = get(authorization);
  const chunkedSignup = post(CHUNKED, `${chunk(LOGIN)}0\r\n\r\n`, '/signup');
  /** Beginnings of a text, from its first byte to all but its last. */
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
    cut(
      'FIN',
      'an expected body',
      post(`Expect: 100-continue\r\n${lengthOf(LOGIN)}`, ''),
      100,
      400,
    ),
  ];
}
