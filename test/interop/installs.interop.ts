/**
 * The ways in which people install latchkey, with the package managers that they use. The package
 * managers, and the compiler for builds from git, come from the registry of npm. Folders of
 * applications have a space and a letter beyond ASCII in their names.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '../support/documents.ts';
import { freePort, pack, run } from '../support/user-folder.ts';

const base = mkdtempSync(join(tmpdir(), 'latchkey-installs-'));
const clone = join(base, 'latchkey');
const fromGit = `git+file://${clone}`;
const managers = join(base, 'managers');
const tarball = join(base, 'latchkey.tgz');
const BUN = join(root, 'test/interop/node_modules/@oven/bun-linux-x64/bin/bun');

const MANAGERS = {
  npm10: 'npm@10.9.9',
  npm12: 'npm@12.2.2',
  yarn1: 'yarn@1.22.22',
  yarn4: '@yarnpkg/cli-dist@4.18.1',
  pnpm10: 'pnpm@10.34.9',
};
const PROGRAMS: Readonly<Record<string, string>> = {
  bun: `'${BUN}'`,
  npm10: `node ${managers}/node_modules/npm10/bin/npm-cli.js`,
  npm12: `node ${managers}/node_modules/npm12/bin/npm-cli.js`,
  yarn1: `node ${managers}/node_modules/yarn1/bin/yarn.js`,
  yarn4: `node ${managers}/node_modules/yarn4/bin/yarn.js`,
  pnpm10: `node ${managers}/node_modules/pnpm10/bin/pnpm.cjs`,
};

const QUIET = {
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
  YARN_ENABLE_TELEMETRY: '0',
  YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
};

/** Runs a line of the shell, in which `%name` is one of {@link PROGRAMS}. */
async function shell(cwd: string, line: string, env: Record<string, string> = {}): Promise<string> {
  const command = line.replaceAll(/%(\w+)/g, (_match, name: string) => PROGRAMS[name] ?? name);
  // With this variable, a test runner in the child would report to the runner of this process.
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  const all = { ...own, ...QUIET, ...env };
  const { stdout } = await run('bash', ['-euc', command], { cwd, env: all, timeout: 240_000 });
  return stdout;
}

let folders = 0;

/** Makes an empty folder of an application. */
function newApp(): string {
  folders += 1;
  const app = join(base, `app é ${folders}`);
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }');
  return app;
}

const IMPORT = `import('latchkey/jwt').then(({ Jwt }) => console.log(typeof Jwt))`;

/** Asserts that an application can import the package, and run its command. */
async function assertWorks(app: string, node = 'node', latchkey = './node_modules/.bin/latchkey') {
  assert.equal((await shell(app, `${node} -e "${IMPORT}"`)).trim().split('\n').at(-1), 'function');
  assert.match(await shell(app, `${latchkey} --version`), /^\d+\.\d+\.\d+/m);
}

/** Copies what a clone of this repository has, without what Git ignores. */
function copyRepository(target: string): void {
  const isTracked = (path: string) => !['node_modules', 'dist', '.git'].includes(basename(path));
  cpSync(root, target, { recursive: true, filter: isTracked });
}

before(async () => {
  copyRepository(clone);
  const author = '-c user.name=test -c user.email=test@example.org';
  await shell(clone, `git init -q && git add . && git ${author} commit -qm test`);
  mkdirSync(managers);
  writeFileSync(join(managers, 'package.json'), '{}');
  const specs = Object.entries(MANAGERS).map(([name, spec]) => `${name}@npm:${spec}`);
  await shell(managers, `npm install --ignore-scripts ${specs.join(' ')}`);
  await shell(clone, 'npm ci');
  writeFileSync(tarball, pack(clone));
});

after(() => rmSync(base, { recursive: true, force: true }));

const major = Number.parseInt(process.versions.node, 10);
const isTooOld = major < 22 && 'npm 12 needs Node 22';
const noBun = !existsSync(BUN) && 'Bun is not installed';
const NODE_MODULES = 'echo "nodeLinker: node-modules" > .yarnrc.yml && touch yarn.lock';
const NO_HOIST = 'echo "hoist: false" > pnpm-workspace.yaml';

type Way = readonly [title: string, line: string, skip?: string | false];

const FROM_GIT: readonly Way[] = [
  ['npm', `npm install ${fromGit}`],
  ['npm 10', `%npm10 install ${fromGit}`],
  ['npm 12', `%npm12 install --allow-git=root ${fromGit}`, isTooOld],
  ['npm without development packages', `NODE_ENV=production npm install --omit=dev ${fromGit}`],
  ['yarn 1', `%yarn1 add ${fromGit}`],
];
const FROM_TARBALL: readonly Way[] = [
  ['npm without scripts', `npm install --ignore-scripts ${tarball}`],
  ['npm 10', `%npm10 install ${tarball}`],
  ['npm 12', `%npm12 install ${tarball}`, isTooOld],
  ['yarn 1', `%yarn1 add ${tarball}`],
  ['yarn 4', `${NODE_MODULES} && %yarn4 add latchkey@file:${tarball}`],
  ['pnpm', `%pnpm10 add ${tarball}`],
  ['pnpm without hoisting', `${NO_HOIST} && %pnpm10 add ${tarball}`],
  ['bun', `%bun add ${tarball}`, noBun],
];
const FROM_FOLDER: readonly Way[] = [
  ['npm, as a link', `npm install ${clone}`],
  ['npm, as a copy', `npm install --install-links ${clone}`],
  ['yarn 1', `%yarn1 add file:${clone}`],
  ['yarn 4, as a portal', `${NODE_MODULES} && %yarn4 add latchkey@portal:${clone}`],
  ['pnpm', `%pnpm10 add ${clone}`],
  ['bun', `%bun add ${clone}`, noBun],
];

for (const [source, ways] of [
  ['git', FROM_GIT],
  ['a tarball', FROM_TARBALL],
  ['a folder', FROM_FOLDER],
] as const) {
  describe(`a way of installing: from ${source}`, { timeout: 600_000 }, () => {
    for (const [title, line, skip = false] of ways) {
      it(title, { skip }, async () => {
        const app = newApp();
        await shell(app, line);
        await assertWorks(app);
      });
    }
  });
}

describe('a way of installing', { timeout: 600_000 }, () => {
  it('pnpm refuses to build from git, and builds with the lines that it prints', async () => {
    const app = newApp();
    const add = `%pnpm10 add ${fromGit}`;
    const said = await shell(app, `${add} 2>&1 || true`);
    const [lines = ''] = /^onlyBuiltDependencies:\n .*$/m.exec(said) ?? [];
    assert.notEqual(lines, '', said);
    assert.ok(!existsSync(join(app, 'node_modules/latchkey')));
    writeFileSync(join(app, 'pnpm-workspace.yaml'), `${lines}\n`);
    await shell(app, add);
    await assertWorks(app);
  });

  it('yarn 4 refuses to clone, and builds once the repository is approved', async () => {
    const port = await freePort();
    const flags = ['--listen=127.0.0.1', `--port=${port}`, '--export-all', '--reuseaddr'];
    const daemon = spawn('git', ['daemon', ...flags, `--base-path=${base}`], { stdio: 'ignore' });
    const add = `%yarn4 add latchkey@git://127.0.0.1:${port}/latchkey`;
    try {
      const app = newApp();
      const said = await shell(app, `${NODE_MODULES} && ${add} || true`);
      assert.match(said, /approvedGitRepositories/);
      await shell(app, `echo 'approvedGitRepositories: ["**"]' >> .yarnrc.yml && ${add}`);
      await assertWorks(app);
    } finally {
      daemon.kill();
      await once(daemon, 'exit');
    }
  });

  it('yarn 4 with Plug and Play', async () => {
    const app = newApp();
    await shell(app, `touch yarn.lock && %yarn4 add latchkey@file:${tarball}`);
    await assertWorks(app, '%yarn4 node', '%yarn4 latchkey');
  });

  it('for all folders, by a link to the clone that outlives a build', async () => {
    const npm_config_prefix = join(base, 'global');
    await shell(clone, 'npm link && npm run build', { npm_config_prefix });
    const latchkey = `'${npm_config_prefix}/bin/latchkey'`;
    assert.match(await shell(base, `${latchkey} --version`), /^\d/);
    const app = newApp();
    await shell(app, 'npm link latchkey', { npm_config_prefix });
    await assertWorks(app);
  });

  it('for all folders, from a tarball that npm packs from git', async () => {
    const app = newApp();
    await shell(app, `npm pack ${fromGit} && npm install -g --prefix ./global ./latchkey-*.tgz`);
    assert.match(await shell(app, './global/bin/latchkey --version'), /^\d/);
  });

  it('npx, from git and from a tarball', async () => {
    for (const spec of [fromGit, tarball]) {
      assert.match(await shell(newApp(), `npx --yes --package=${spec} latchkey --version`), /^\d/);
    }
  });

  it('types: TypeScript 5.9 in each resolution, without skipLibCheck', async () => {
    const app = newApp();
    await shell(app, `npm install ${tarball} typescript@5.9.3 @types/node@20.19.43`);
    const types = readFileSync(join(root, 'test/project/types.ts'), 'utf8');
    writeFileSync(join(app, 'user.ts'), types.replace('../../src/index.ts', 'latchkey'));
    for (const flags of [
      '--module nodenext',
      '--module node16',
      '--module esnext --moduleResolution bundler',
      '--module esnext --moduleResolution node10',
    ]) {
      const check = '--noEmit --strict --skipLibCheck false --target es2023 --types node';
      await shell(app, `npx tsc ${check} ${flags} user.ts`);
    }
  });

  it('as a member of a workspace', async () => {
    const app = newApp();
    copyRepository(join(app, 'latchkey'));
    writeFileSync(join(app, 'package.json'), '{ "private": true, "workspaces": ["latchkey"] }');
    await shell(app, 'npm install');
    await assertWorks(app);
  });

  it('from an archive without .git: npm ci, npm start, and two stages', async () => {
    const source = join(base, 'archive é');
    copyRepository(source);
    await shell(source, 'npm ci');
    assert.match(await shell(source, 'npm start -- --help'), /--port/);
    const image = join(base, 'image');
    const built = ['dist', 'package.json'];
    for (const name of built) cpSync(join(source, name), join(image, name), { recursive: true });
    assert.match(await shell(image, './dist/cli/main.js --version'), /^\d/);
  });
});
