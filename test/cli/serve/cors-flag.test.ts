/** Which origins `--cors` takes, and what it says about others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/cli/command-errors.ts';
import { readServeConfig } from '../../../src/cli/serve/flags.ts';

const corsOf = async (text: string) => (await readServeConfig([`--cors=${text}`])).cors;

const APP = 'https://app.example';

const ACCEPTED: readonly (readonly [text: string, origins: readonly string[]])[] = [
  [APP, [APP]],
  ['http://localhost:5173', ['http://localhost:5173']],
  ['http://[::1]:8080', ['http://[::1]:8080']],
  [`${APP},https://app.example:8443`, [APP, 'https://app.example:8443']],
];

/** Each differs in a character or a word from a list that is accepted. */
const REFUSED: readonly (readonly [text: string, got: RegExp])[] = [
  ['', /got "", where an origin is empty$/],
  [',', /got ",", where an origin is empty$/],
  [`${APP},`, /got "https:\/\/app\.example,", where an origin is empty$/],
  [`${APP}, http://localhost:5173`, /: separate the origins by commas without spaces$/],
  [`${APP} http://localhost:5173`, /: separate the origins by commas without spaces$/],
  [`${APP},${APP}`, /, where one is named twice$/],
  ['*', /got "\*", a wildcard: scripts of any page /],
  ['null', /got "null".*sandboxed frames of every site/],
  [`${APP}/`, /got "https:\/\/app\.example\/", a slash or more behind the host/],
  [`${APP}/login`, /got "https:\/\/app\.example\/login", a slash or more behind the host/],
  [`${APP}?a=b`, /got "https:\/\/app\.example\?a=b", a slash or more behind the host/],
  [`http://localhost:5173,${APP}/`, /got "https:\/\/app\.example\/", a slash or more behind/],
  ['app.example', /got "app\.example", a text without a scheme/],
  ['https://App.example', /got "https:\/\/App\.example", upper-case letters/],
  ['https://app.example:443', /got "https:\/\/app\.example:443", a default port/],
  ['https://app.example:99999', /got "https:\/\/app\.example:99999", a text that no browser/],
];

test('--cors takes origins as browsers send them, separated by commas', async () => {
  for (const [text, origins] of ACCEPTED) assert.deepEqual(await corsOf(text), origins, text);
  assert.equal((await readServeConfig([])).cors, undefined);
});

test('--cors says which of the origins is wrong, and why', async () => {
  const expected = /^--cors expected origins such as https:\/\/app\.example, separated by commas, /;
  for (const [text, got] of REFUSED) {
    await assert.rejects(corsOf(text), (error) => {
      assert.ok(error instanceof UsageError, text);
      assert.match(error.message, expected);
      assert.match(error.message, got);
      return true;
    });
  }
});
