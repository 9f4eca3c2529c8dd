/** Rows about JSON bodies and their types. */
import { closes, LOGIN, MARK, type RawRow, show, SIGNUP, stays, TYPE, whole } from './rows.ts';

/** Bodies that are not a JSON object in UTF-8, or not declared as one. */
export function bodies(): RawRow[] {
  const deep = (open: string, close: string, count: number) =>
    open.repeat(count) + close.repeat(count);
  const invalidJson = [
    '', ' ', '{', '}', '{}}', '{"a":1', "{'a':1}", '{a:1}', '{"a":1,}', '[', 'undefined', 'NaN',
    '01', '"\n"', '"\\x"', '\0', '{}\0', '\xef\xbb\xbf', '\xef\xbb\xbf\xef\xbb\xbf{}',
    '{}\xef\xbb\xbf', '\xfe\xff{}', '\xff\xfe{\0}\0',
    '{"username":"\xff"}', '"\xc0\xaf"', '"\xed\xa0\x80"', '"\xf4\x90\x80\x80"',
    '\x1f\x8b\x08\0\0\0\0\0', `username=${MARK}&password=x`, '<?xml version="1.0"?>', '//x\n{}',
    '[['.repeat(5000), '{"a":'.repeat(3000), `"${MARK}`,
  ];
  const otherJson = [
    'null',
    'true',
    '1',
    '1e400',
    '-0',
    '"joe"',
    '[]',
    `["${MARK}"]`,
    deep('[', ']', 8000),
  ];
  const invalidCredentials = [
    '{}', '\xef\xbb\xbf{}', '{"username":1,"password":2}',
    '{"__proto__":{"username":"joe","password":"pass"}}',
    '{"username":"joe"}', '{"username":null,"password":null}',
    '{"username":["joe"],"password":["pass"]}', '{"username":{"$ne":""},"password":{}}',
    `{"username":"${MARK}","password":"\\u0000"}`, `{"username":"${MARK}","password":"\\ud800"}`,
    '{"username":"","password":""}', `{"a":${deep('[', ']', 7000)}}`,
    `{${'"a":1,'.repeat(2500)}"a":1}`, `{"username":"${'x'.repeat(16_000)}","password":"y"}`,
    `{"username":"${MARK} ' OR 1=1 --","password":"x"}`,
    `{"username":"joe","password":"${'x'.repeat(16_000)}"}`,
  ];
  const types = [
    'text/plain', 'application/jsonp', 'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x', '', '*/*', 'application/json; charset=latin1',
    'application/json; charset=utf-7', 'application/json; charset=utf-8; x',
    'application/json, text/plain', 'application/json,', 'text/json', 'application/\xff',
    `application/${MARK}`,
  ];
  const withType = (type: string, path = '/signup') => whole(LOGIN, '', path).replace(TYPE, type);
  return [
    ...['/auth', '/signup'].flatMap((path) => [
      ...[...invalidJson, ...otherJson].map((body) =>
        stays(`${path} ${show(body)}`, whole(body, '', path), 400),
      ),
      ...invalidCredentials.map((body) => {
        return stays(`${path} ${show(body)}`, whole(body, '', path), path === '/auth' ? 401 : 400);
      }),
      closes(`${path} with 16 KiB and a byte`, whole(LOGIN.padEnd(16_385), '', path), 413),
      closes(`${path} with 100 KiB`, whole(LOGIN.padEnd(102_400), '', path), 413),
    ]),
    stays('a login of 16 KiB', whole(LOGIN.padEnd(16_384)), 401),
    ...types.map((type) =>
      closes(`Content-Type: ${show(type)}`, withType(`Content-Type: ${type}\r\n`), 415),
    ),
    closes('no Content-Type', withType(''), 415),
    closes('two Content-Types', withType(`${TYPE}Content-Type: text/plain\r\n`), 415),
    closes('the same Content-Type twice', withType(TYPE + TYPE.toLowerCase()), 415),
    closes(
      'two Content-Types that look like one',
      withType('Content-Type: application/json; x="\r\nContent-Type: "\r\n'),
      415,
    ),
    ...['application/json;', 'application/json; charset=utf-8; x=y'].map((type) =>
      stays(`Content-Type: ${type}`, withType(`Content-Type: ${type}\r\n`, '/auth'), 401),
    ),
    ...['identity', ''].map((encoding) => {
      const lines = `${TYPE}Content-Encoding: ${encoding}\r\n`;
      return stays(`Content-Encoding: ${encoding}`, withType(lines, '/auth'), 401);
    }),
    ...['gzip', 'deflate, gzip', 'identity, gzip', 'x'].map((encoding) => {
      return closes(
        `Content-Encoding: ${encoding}`,
        withType(`${TYPE}Content-Encoding: ${encoding}\r\n`),
        415,
      );
    }),
    closes('a body for an unknown path', whole(LOGIN, '', `/${MARK}`), 404),
    closes('a signup by PUT', SIGNUP.replace('POST', 'PUT'), 405),
    stays('a signup by GET', SIGNUP.replace('POST', 'GET'), 405),
  ];
}
