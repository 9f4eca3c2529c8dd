/** Starts that fail: each ends with one line that says what to do, and changes nothing on disk. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { JsonFileSessionStore, JsonFileUserStore } from '../../src/index.ts';
import { someOf } from '../support/long.ts';
import { assertRefused, emptyFolder, modeOf, run } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

/** The name, mode and content of every file in a folder. */
async function contentsOf(folder: string): Promise<string[]> {
  const contentOf = async (name: string) => {
    const path = join(folder, name);
    return `${await modeOf(path)} ${name}: ${await readFile(path, 'utf8').catch(() => 'a folder')}`;
  };
  return Promise.all((await readdir(folder, { recursive: true })).sort().map(contentOf));
}

describe('a start that fails', { concurrency: 4, timeout: 120_000 }, () => {
  const SHORT = SECRET.slice(0, -1);
  const PEM = [
    '-----BEGIN PUBLIC KEY-----',
    'TWFya2VyIG1hcmtlciBtYXJrZXI=',
    '-----END PUBLIC KEY-----\n',
  ].join('\n');
  const GOOD = { LATCHKEY_SECRET: SECRET };
  const REMEDY = /latchkey secret|delete/;
  const secretFile = (content: string | Uint8Array) => (cwd: string) => {
    return writeFile(join(cwd, 'data/secret'), content);
  };
  /** Locks the user file, as another process does. */
  const openUsers = (cwd: string) => JsonFileUserStore.open(join(cwd, 'data/users.jsonl'));
  const damageUsers = async (cwd: string) => {
    await (await openUsers(cwd)).close();
    await appendFile(join(cwd, 'data/users.jsonl'), '{"insert":\n');
  };
  /** Takes the default port, unless another process has it already. */
  const takePort = async (cwd: string) => {
    await (await openUsers(cwd)).close();
    await (await JsonFileSessionStore.open(join(cwd, 'data/sessions.jsonl'))).close();
    const listener = createServer().listen(3000, '127.0.0.1').unref();
    await once(listener, 'listening').catch(({ code }: NodeJS.ErrnoException) => {
      assert.equal(code, 'EADDRINUSE');
    });
  };

  /** @returns what has to be closed in the end, if anything */
  type Prepare = (cwd: string) => Promise<unknown>;

  interface Failure {
    readonly flags?: string;
    readonly env?: Record<string, string>;
    readonly words: readonly RegExp[];
    /** 1 unless it is given. */
    readonly code?: number;
    readonly prepare?: Prepare;
  }

  const badVariable = (secret: string, ...words: readonly RegExp[]): Failure => {
    const told = [/LATCHKEY_SECRET expected/, ...words];
    return { env: { LATCHKEY_SECRET: secret }, words: told, code: 2 };
  };
  const badFile = (content: string | Uint8Array, ...words: readonly RegExp[]): Failure => {
    const prepare = secretFile(content);
    const told = [/data\/secret (?:expected|is not complete)/, ...words];
    return { flags: '--data data', words: told, prepare };
  };

  const FAILURES: Readonly<Record<string, Failure>> = {
    'a taken port': {
      flags: '--data data',
      env: { ...GOOD, PORT: '', HOST: '' },
      words: [/cannot listen: EADDRINUSE: .*:3000\. /, /--port/],
      prepare: takePort,
    },
    'a data folder that cannot hold the secret': {
      flags: '--data file/data',
      words: [/file\/data/, /--data/],
    },
    'a data folder that cannot hold users': {
      flags: '--data file/data',
      env: GOOD,
      words: [/file\/data/, /--data|another folder/],
    },
    'a short LATCHKEY_SECRET': badVariable(SHORT, /32 bytes, got 31/, REMEDY),
    'a short second secret': badVariable(
      `${SECRET}\n${SHORT}`,
      /LATCHKEY_SECRET expected at least 32 bytes, got 31 bytes at index 1\. /,
      /at index 1\. "latchkey secret" prints/,
    ),
    'an empty LATCHKEY_SECRET': {
      env: { LATCHKEY_SECRET: '' },
      words: [/environment variable LATCHKEY_SECRET is set but empty: unset it, /, REMEDY],
      code: 2,
    },
    'a short LATCHKEY_SECRET in a file': {
      flags: '--environment data/env',
      words: [/LATCHKEY_SECRET in data\/env expected at least 32 bytes, got 31/, REMEDY],
      code: 2,
      prepare: (cwd) => writeFile(join(cwd, 'data/env'), `LATCHKEY_SECRET=${SHORT}`),
    },
    'a secret in the place of an environment file': {
      flags: `--environment ${'marker'.repeat(6)}`,
      words: [/^latchkey: --environment: it names a file that does not exist\. Name a file /],
    },
    'a secret in the place of a certificate': {
      flags: `--tls-cert ${'marker'.repeat(6)} --tls-key file`,
      words: [/^latchkey: --tls-cert: it names a file that does not exist\. Name a file /],
    },
    'a PEM in LATCHKEY_SECRET': badVariable(PEM, /PEM/, REMEDY),
    'a secret with a space after it': badVariable(`${SECRET} `, /space/),
    'a short secret file': badFile(`${SHORT}\n`, /32 bytes, got 31/, REMEDY),
    'a binary secret file': badFile(Buffer.alloc(32, 0x81), /UTF-8/, REMEDY),
    'an empty secret file': badFile('', /delete it and start again/),
    'a secret file of empty lines': badFile('\n'.repeat(40), /got an empty text/, REMEDY),
    'a secret file of zeros': badFile('\0'.repeat(44), /delete it and start again/),
    'a comment in a secret file': badFile(`# made in March\n${SECRET}`, /comment/),
    'a damaged user file': {
      flags: '--data data',
      env: GOOD,
      words: [/data\/users\.jsonl.*line 3/, /backup/],
      prepare: damageUsers,
    },
    'a user file in use': {
      flags: '--data data',
      env: GOOD,
      words: [RegExp(`users\\.jsonl.* ${process.pid}\\b`), /stop/],
      prepare: openUsers,
    },
    'a missing certificate': {
      flags: '--tls-cert none.pem --tls-key file',
      words: [/--tls-cert/, /none\.pem/, /PEM/],
    },
    'a file that is not a certificate': {
      flags: '--tls-cert file --tls-key file',
      words: [/--tls-cert/, /PEM/],
    },
    'a missing env file': {
      flags: '--environment none.env',
      words: [/--environment/, /none\.env/],
    },
    'a folder for an env file': {
      flags: '--environment data',
      words: [/--environment: EISDIR.*[^.]\. Name a file that /],
    },
  };
  for (const [what, failure] of someOf(Object.entries(FAILURES))) {
    const { flags = '', env = {}, words, code = 1, prepare } = failure;
    it(`tells in one line what to do, and changes nothing on disk: ${what}`, async () => {
      const cwd = await emptyFolder();
      await mkdir(join(cwd, 'data'));
      await writeFile(join(cwd, 'file'), '');
      const opened = await prepare?.(cwd);
      const contents = await contentsOf(cwd);
      const ended = await run(`serve ${flags}`, { cwd, env });
      assertRefused(ended, code, words);
      const isTold = [SHORT, 'TWFya2Vy'].some((secret) => ended.stderr.includes(secret));
      assert.ok(!isTold, 'the message repeats the secret');
      assert.deepEqual(await contentsOf(cwd), contents);
      if (opened instanceof JsonFileUserStore) await opened.close();
    });
  }
});
