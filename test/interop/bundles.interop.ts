/** The installed package in one file, bundled for a server by webpack, Vite (Rollup) and bun. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build } from 'vite';
import webpack, { type Configuration, type Stats } from 'webpack';
import { root } from '../support/documents.ts';
import { makeUserFolder, output, removeUserFolder, run } from '../support/user-folder.ts';

const BUN = join(root, 'test/interop/node_modules/@oven/bun-linux-x64/bin/bun');
const noBun = !existsSync(BUN) && 'Bun is not installed';

const PROGRAM = `
import { AuthError, MemoryUserStore, PostgresUserStore, createApp, listen } from 'latchkey';
import { Jwt } from 'latchkey/jwt';
const secret = 'x'.repeat(32);
const page = process.argv.includes('page');
const server = await listen(createApp({ secret, users: new MemoryUserStore(), page }), { port: 0 });
const { status } = await fetch(server.url + (page ? '/' : '/hello'));
await server.close();
try {
  new Jwt({ secret }).verify('a.b.c');
} catch (error) {
  console.log(status, typeof PostgresUserStore, error instanceof AuthError, String(error));
}
`;
const PRINTED = '401 function true AuthError: Signature verification failed\n';
const PRINTED_WITH_PAGE = PRINTED.replace('401', '200');

let folder = '';
const entry = () => join(folder, 'program.mjs');

before(async () => {
  folder = await makeUserFolder(() => false);
  writeFileSync(entry(), PROGRAM);
});

after(() => removeUserFolder(folder));

const bundle = (configuration: Configuration): Promise<Stats | undefined> => {
  return new Promise((resolve, reject) => {
    webpack(configuration, (error, stats) => (error ? reject(error) : resolve(stats)));
  });
};

describe('a way of bundling', { timeout: 120_000 }, () => {
  it('webpack, as a module and as CommonJS', async () => {
    for (const isModule of [true, false]) {
      const filename = isModule ? 'webpack.mjs' : 'webpack.cjs';
      const stats = await bundle({
        context: folder,
        mode: 'production',
        target: 'node20',
        entry: entry(),
        experiments: { outputModule: isModule },
        output: { path: folder, filename, module: isModule },
      });
      assert.deepEqual(stats?.toJson().errors, []);
      assert.equal(await output(folder, join(folder, filename)), PRINTED);
      // webpack finds the files of the page by itself.
      assert.equal(await output(folder, join(folder, filename), 'page'), PRINTED_WITH_PAGE);
    }
  });

  /** The page works once its files are copied, as the error says. */
  async function assertServesCopiedPage(file: string): Promise<void> {
    const message = /copy the folder node_modules\/latchkey\/dist\/app\/page beside the bundle/;
    await assert.rejects(output(folder, file, 'page'), { stderr: message });
    const files = join(folder, 'node_modules/latchkey/dist/app/page');
    cpSync(files, join(dirname(file), 'page'), { recursive: true });
    assert.equal(await output(folder, file, 'page'), PRINTED_WITH_PAGE);
    rmSync(join(dirname(file), 'page'), { recursive: true });
  }

  it('Vite for a server, with no package left outside', async () => {
    await build({
      root: folder,
      configFile: false,
      logLevel: 'warn',
      ssr: { noExternal: true },
      build: { ssr: entry(), outDir: 'vite', minify: 'esbuild' },
    });
    // In a folder with "type": "module", Vite names its file .js.
    const bundled = join(folder, 'vite/program.js');
    // The package is in the file: here Node could not find it.
    await run('mv', [join(folder, 'node_modules'), join(folder, 'moved')]);
    try {
      assert.equal(await output(folder, bundled), PRINTED);
    } finally {
      await run('mv', [join(folder, 'moved'), join(folder, 'node_modules')]);
    }
    await assertServesCopiedPage(bundled);
  });

  it('bun build', { skip: noBun }, async () => {
    const outfile = join(folder, 'bun.mjs');
    const args = ['build', entry(), '--target=node', '--minify', `--outfile=${outfile}`];
    await run(BUN, args, { cwd: folder });
    assert.equal(await output(folder, outfile), PRINTED);
    await assertServesCopiedPage(outfile);
  });
});
