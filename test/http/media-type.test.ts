/** Content-Type and Content-Encoding of a body, over real sockets, and the texts of refusals. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMediaType } from '../../src/http/media-type.ts';
import { sendRaw, withApp } from '../support/app.ts';

const TYPE = 'The body must be application/json in UTF-8';
const MALFORMED = 'The Content-Type header is malformed or repeated';
const CHARSET = 'The charset of the body must be UTF-8';
const CODING = 'The body must have no content coding, such as gzip';

/** The value of Content-Type, and the text of its refusal unless it is accepted. */
type Row = readonly [type: string, refused?: string];

/** The grammar of a media type (RFC 9110 §8.3.1, §5.6.6). */
const GRAMMAR: readonly Row[] = [
  ['application/json'],
  ['APPLICATION/JSON'],
  ['application/json;'],
  ['application/json ;'],
  ['application/json; '],
  ['application/json;;; ;\t;'],
  ['application/json\t;\tv=2\t'],
  ['application/json; v=2'],
  ['application/json; odata=verbose; IEEE754Compatible=true'],
  ['application/json;profile="https://example.org/a;b, c=d"'],
  ['application/json; a="b\\"; charset=latin1"'],
  ['application/json; a="\\\\"'],
  ['application/json; a=""'],
  ['application/json; a="\t\xe9"'],
  ["application/json; !#$%&'*+-.^_`|~=x"],
  [`application/json${' ;'.repeat(5000)}`],
  ['application/json; v', MALFORMED],
  ['application/json; v=', MALFORMED],
  ['application/json; =2', MALFORMED],
  ['application/json; v = 2', MALFORMED],
  ['application/json; v= 2', MALFORMED],
  ['application/json; v=2 x', MALFORMED],
  ['application/json; v=2,', MALFORMED],
  ['application/json v=2', MALFORMED],
  ['application/json, application/json', MALFORMED],
  ['application/json; a="b', MALFORMED],
  ['application/json; a="b\\"', MALFORMED],
  ['application/json; a="b"c', MALFORMED],
  ['application/json; a=b"c"', MALFORMED],
  ['application/json; a=\xe9', MALFORMED],
  [`application/json; a="${'\\"'.repeat(5000)}`, MALFORMED],
  ['application /json', MALFORMED],
  ['application/', MALFORMED],
  ['/json', MALFORMED],
  ['json', MALFORMED],
  ['application/json/x', MALFORMED],
  ['application/json\xa0', MALFORMED],
];

/** The type, and its structured suffix (RFC 6838 §4.2, RFC 6839 §3.1). */
const TYPES: readonly Row[] = [
  ['application/vnd.api+json'],
  ['application/vnd.a-b_c.1+json; charset=utf-8'],
  ['application/a!#$&^_.-+b+json'],
  ['application/7+json'],
  ['application/geo+JSON;'],
  ['application/+json', TYPE],
  ['application/.a+json', TYPE],
  ["application/a'b+json", TYPE],
  ['application/json+a', TYPE],
  ['application/a-json', TYPE],
  ['application/jsonp', TYPE],
  ['application/x-www-form-urlencoded', TYPE],
  ['text/json', TYPE],
  ['text/plain; charset=utf-8', TYPE],
  ['*/*', TYPE],
  ['', TYPE],
];

/** RFC 8259 §11 gives charset no effect. latchkey refuses any other than UTF-8. */
const CHARSETS: readonly Row[] = [
  ['application/json; charset=utf-8'],
  ['application/json;CHARSET=UTF-8'],
  ['application/json; charset=utf8'],
  ['application/json; charset=us-ascii'],
  ['application/json; charset=ascii'],
  ['application/json; charset=US-ASCII; v=1'],
  ['application/json; charset="UTF-8"'],
  ['application/json; charset="\\u\\t\\f-8"'],
  ['application/json; charset=utf-8; charset=UTF8'],
  ['application/json; x="y"; charset=utf-8;'],
  ['application/json; charset*=latin1'],
  ['application/json; charset=latin1', CHARSET],
  ['application/json; charset=iso-8859-1; v=1', CHARSET],
  ['application/json; v=1; charset="utf-16"', CHARSET],
  ['application/json; charset=utf-7', CHARSET],
  ['application/json; charset=utf--8', CHARSET],
  ['application/json; charset=" utf-8"', CHARSET],
  ['application/json; charset=""', CHARSET],
  ["application/json; charset='utf-8'", CHARSET],
  ['application/json; charset=utf-8; charset=latin1', CHARSET],
  ['application/json; charset=latin1; charset=utf-8', CHARSET],
  ['application/json; charset=utf-8; charset=us-ascii', CHARSET],
  ['application/json; charset="utf-8', MALFORMED],
  ['application/json; charset=utf-8"', MALFORMED],
  ['application/json; charset=', MALFORMED],
  ['application/json; charset =utf-8', MALFORMED],
];

/** A login of an unknown user: 401 if its body was read. @returns status, text, Accept-Encoding */
async function post(port: number, lines: readonly string[]): Promise<unknown[]> {
  const body = '{"username":"joe","password":"pass"}';
  const length = `Content-Length: ${body.length}`;
  const head = ['POST /auth HTTP/1.1', 'Host: x', 'Connection: close', length, ...lines, '', ''];
  const answer = await sendRaw(port, Buffer.from(head.join('\r\n') + body, 'latin1'));
  const [, acceptEncoding] = /^Accept-Encoding: (.*)\r$/m.exec(answer) ?? [];
  const { description } = JSON.parse(answer.split('\r\n\r\n')[1] ?? '');
  return [Number(answer.slice(9, 12)), description, acceptEncoding];
}

const READ = [401, 'Invalid credentials', undefined];

for (const [what, rows] of Object.entries({ GRAMMAR, TYPES, CHARSETS })) {
  test(`grammars as wide as their RFC: Content-Type, ${what.toLowerCase()}`, async () => {
    await withApp({ limits: false }, async ({ port }) => {
      for (const [type, refused] of rows) {
        const expected = refused === undefined ? READ : [415, refused, undefined];
        assert.deepEqual(await post(port, [`Content-Type: ${type}`]), expected, type);
      }
    });
  });
}

test('grammars as wide as their RFC: one Content-Type is read, and several are refused', async () => {
  const several: readonly (readonly string[])[] = [
    ['application/json', 'application/json'],
    ['application/json', 'text/plain'],
    ['text/plain', 'application/json'],
    // Joined by a comma, these would be one media type.
    ['application/json; x="', '"'],
    ['application/json; x="y', 'z"; charset=utf-8'],
  ];
  await withApp({ limits: false }, async ({ port }) => {
    for (const types of several) {
      const lines = types.map((type) => `Content-Type: ${type}`);
      assert.deepEqual(await post(port, lines), [415, MALFORMED, undefined], types.join(' and '));
    }
    const joined = 'Content-Type: application/json; x="y, z"; charset=utf-8';
    assert.deepEqual(await post(port, [joined]), READ);
    assert.deepEqual(await post(port, []), [415, TYPE, undefined]);
  });
});

test('grammars as wide as their RFC: the only content coding is identity', async () => {
  const accepted = [
    [], [''], ['identity'], ['IDENTITY'], [','], [' \t,, identity ,\t'], ['identity', ''],
    ['identity', 'identity'],
  ];
  const refused = [
    ['gzip'], ['x-gzip'], ['br'], ['deflate, gzip'], ['identity, gzip'], ['gzip, identity'],
    ['identity', 'gzip'], [',gzip'], ['identity identity'], ['identity;q=1'], ['identity\xa0'],
    ['"identity"'], ['xidentity'], ['*'],
  ];
  await withApp({ limits: false }, async ({ port }) => {
    const type = 'Content-Type: application/json';
    const linesOf = (codings: string[]) => [type, ...codings.map((c) => `Content-Encoding: ${c}`)];
    for (const codings of accepted) {
      assert.deepEqual(await post(port, linesOf(codings)), READ, codings.join());
    }
    for (const codings of refused) {
      // RFC 9110 §15.5.16, §12.5.3.
      const expected = [415, CODING, 'identity'];
      assert.deepEqual(await post(port, linesOf(codings)), expected, codings.join());
    }
    const textLines = linesOf(['gzip']).map((line) => line.replace('application/json', 'text/x'));
    assert.deepEqual(await post(port, textLines), [415, TYPE, undefined]);
  });
});

test('grammars as wide as their RFC: names are in lower case, values are without quotes', () => {
  assert.deepEqual(parseMediaType(' A/B\t; C="d\\E" ;; F=G; '), {
    name: 'a/b',
    parameters: [
      ['c', 'dE'],
      ['f', 'G'],
    ],
  });
  assert.equal(parseMediaType(' A/B\t; C="d\\E ;; F=G; '), undefined);
});
