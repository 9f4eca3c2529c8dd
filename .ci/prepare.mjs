/**
 * Builds `dist` where an installation runs only the script `prepare`: from git, from a folder, and
 * `npm ci` in a clone. Without the compiler it does nothing, so that an installation without
 * development packages succeeds.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { env, exit } from 'node:process';

const require = createRequire(import.meta.url);
const { devDependencies } = require('../package.json');

/** Any other version, such as that of an application around this folder, may refuse the code. */
function isCompilerInstalled() {
  try {
    return require('typescript/package.json').version === devDependencies.typescript;
  } catch {
    return false;
  }
}

// These two have run `prepack`, which builds.
const isPacking = env.npm_command === 'pack' || env.npm_command === 'publish';

if (!isPacking && isCompilerInstalled()) {
  const { status } = spawnSync('npm run build', { shell: true, stdio: 'inherit' });
  exit(status ?? 1);
}
