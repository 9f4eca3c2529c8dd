/**
 * Rows about where a body ends: Transfer-Encoding, Content-Length and chunks. HTTP request
 * smuggling makes two parsers disagree about that.
 */
import {
  chunk,
  CHUNKED,
  closes,
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

/** TE.TE: some parsers read these as chunked and others do not (§6.1, §6.3). */
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

/** Valid spellings of chunked (§7: names of codings are case-insensitive). */
const CODINGS = [
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \t chunked ',
];

/** Headers that only look like Transfer-Encoding. */
const SIMILAR_HEADERS = [
  'X-Transfer-Encoding: chunked',
  'Transfer_Encoding: chunked',
  'TE: chunked',
  'Transfer: chunked',
];

export function codings(): RawRow[] {
  const hidden = `0\r\n\r\n${SIGNUP}`;
  const both = [...CODINGS, ...OBSCURE_CODINGS];
  return [
    ...both.flatMap((line) => [
      closes(`CL.TE: ${show(line)}`, post(`${lengthOf(hidden)}${line}\r\n`, hidden), 400),
      closes(
        `TE.CL: ${show(line)}`,
        post(`${line}\r\nContent-Length: 4\r\n`, `2e\r\n${LOGIN}\r\n0\r\n\r\n`),
        400,
      ),
    ]),
    ...OBSCURE_CODINGS.flatMap((line) => [
      closes(`no length: ${show(line)}`, post(`${line}\r\n`, `${chunk(LOGIN)}0\r\n\r\n`), 400),
      closes(`GET: ${show(line)}`, get(`${line}\r\n`) + '0\r\n\r\n', 400),
    ]),
    ...CODINGS.map((line) =>
      stays(`chunked: ${show(line)}`, post(`${line}\r\n`, `${chunk(LOGIN)}0\r\n\r\n`), 401),
    ),
    ...SIMILAR_HEADERS.map((line) => {
      return stays(`a length and ${line}`, whole(hidden, `${line}\r\n`), 400);
    }),
    stays('a GET with a chunked body', get(CHUNKED) + `${chunk(SIGNUP)}0\r\n\r\n`, 401),
    stays('a GET with a body', get(lengthOf(SIGNUP)) + SIGNUP, 401),
    ...['/hello', '/x', '*'].map((target) => {
      return stays(
        `HEAD ${target}`,
        get('', target).replace('GET', 'HEAD'),
        target === '/hello' ? 401 : 404,
      );
    }),
    stays('a HEAD with a body', get(lengthOf(SIGNUP)).replace('GET', 'HEAD') + SIGNUP, 401),
    closes('a DELETE with a body', get(lengthOf(SIGNUP)).replace('GET', 'DELETE') + SIGNUP, 405),
  ];
}

/** Invalid lengths (RFC 9110 §8.6 allows only digits), and lengths beyond what Node parses. */
const INVALID_LENGTHS = [
  '+2', '-2', '-0', '0x2', '2h', '1e1', '2.0', '.2', '2,', ',2', '2, 2', '2,3', '2 2', '2\t2',
  '2;2', '"2"', 'two', '', ' ', '2\0', '2\x0b', '\x0b2', '2\xa0', '\xa02', '\xd9\xa2',
  '\xef\xbc\x92', '0b10', '0o2', '1_0', '2\r\n 2', '\r\n 2', '2\r3', '2\n3', '2\nX: y', '2\rX: y',
  '18446744073709551616', '18446744073709551618', '99999999999999999999', '9'.repeat(400),
];

export function lengths(): RawRow[] {
  const length = (value: string) => `Content-Length: ${value}\r\n`;
  const tooLong = ['16385', '1000000', '4294967298', '9007199254740993', '18446744073709551615'];
  const repeatedLengths = [
    ['two lengths', '2', '3'],
    ['the same length twice', '2', '2'],
    ['a length and 0', '2', '0'],
    ['a length and none', '2', ''],
  ] as const;
  return [
    ...INVALID_LENGTHS.flatMap((value) => [
      closes(`Content-Length: ${show(value)}`, post(length(value), '{}'), 400),
      closes(`GET, Content-Length: ${show(value)}`, get(length(value)) + '{}', 400),
    ]),
    ...repeatedLengths.flatMap(([name, first, second]) => [
      closes(name, post(length(first) + length(second), '{}'), 400),
      closes(
        `${name}, in another case`,
        post(length(second) + length(first).toLowerCase(), '{}'),
        400,
      ),
      closes(
        `${name}, far apart`,
        get(length(first) + 'X: y\r\n'.repeat(50) + length(second)) + '{}',
        400,
      ),
    ]),
    ...[
      'Content-Length : 2',
      'Content-Length\t: 2',
      'Content-Length\0: 2',
      'Content Length: 2',
    ].map((line) => {
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

/** Invalid sizes of a chunk (§7.1). */
const NO_SIZES = [
  '0x2', '-2', '+2', ' 2', '\t2', '2 2', '2,2', '2.', 'g', 'zz', '', '"2"', '2\0', '2\x0b', '2\xa0',
  '\xd9\xa2', '2h', '2\n', '2\r', '2\rX', '10000000000000002', 'fffffffffffffffff',
  `1${'0'.repeat(400)}`, '2;\0', '2;a=\x7f', '2;a="\x01"', `2;${'x'.repeat(20_000)}`,
  `2;${'a=b;'.repeat(5000)}`, '2;a\n=b', '2;a\r=b', '2:a', '2\t;', '2 ;a', '2;a b',
];

export function chunks(): RawRow[] {
  const chunked = (body: string, headers = '') => post(CHUNKED + headers, body);
  const good = `${chunk(LOGIN)}0\r\n`;
  const trailers = ['Host: y', 'Authorization: JWT x', TYPE.trim(), 'TE: x', `X: ${MARK}`];
  return [
    ...NO_SIZES.map((size) =>
      closes(`a chunk of ${show(size)}`, chunked(`${size}\r\n{}\r\n0\r\n\r\n`), 400),
    ),
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
    closes(
      'chunks of 100 KiB in all',
      chunked(chunk(' '.repeat(1024)).repeat(100) + '0\r\n\r\n'),
      413,
    ),
    ...['7fffffffffffffff', '8000000000000000', 'ffffffffffffffff', 'ffffffff', '100000'].map(
      (size) => {
        return closes(`a chunk of ${size}`, chunked(`${size}\r\n${' '.repeat(20_000)}`), 413);
      },
    ),
    ...trailers.map((line) => stays(`the trailer ${line}`, chunked(`${good}${line}\r\n\r\n`), 401)),
    ...trailers.map((line) =>
      stays(`Trailer, and ${line}`, chunked(`${good}${line}\r\n\r\n`, 'Trailer: X\r\n'), 401),
    ),
    closes('a length in a trailer (§7.1.2)', chunked(`${good}Content-Length: 9\r\n\r\n`), 400),
    closes('a coding in a trailer', chunked(`${good}${CHUNKED}\r\n`), 400),
    closes('a trailer without a colon', chunked(`${good}trailer\r\n\r\n`), 400),
    closes('a trailer with a space in its name', chunked(`${good}a b: c\r\n\r\n`), 400),
    closes('a trailer with NUL', chunked(`${good}a: \0\r\n\r\n`), 400),
    closes('a folded trailer', chunked(`${good}a: b\r\n c\r\n\r\n`), 400),
    closes('a trailer of 20 KiB', chunked(`${good}a: ${'x'.repeat(20_480)}\r\n\r\n`), 431),
    stays('100 trailers', chunked(`${good}${'a: b\r\n'.repeat(100)}\r\n`), 401),
    // The parser obeys the trailer after the reply was sent.
    closes(
      'a trailer that ends the connection',
      chunked(`${good}Connection: close\r\n\r\n`),
      401,
      400,
    ),
  ];
}
