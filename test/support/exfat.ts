/**
 * A real exFAT, mounted by exfat-fuse. It has no hard links, owners or modes, and ignores letter
 * case.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { emptyFolder } from './run-command.ts';

/** Whether a script succeeds in a mount namespace of its own. */
export const works = (script: string): boolean => {
  return spawnSync('unshare', ['--mount', 'sh', '-c', script]).status === 0;
};

const EXFAT_TOOLS = ['mkfs.exfat', 'mount.exfat-fuse', 'losetup'];
const findTools = EXFAT_TOOLS.map((tool) => `command -v ${tool}`);
const hasExfat = works([...findTools, 'losetup -f', 'test -c /dev/fuse'].join(' && '));
/** For tests on an exFAT. */
export const onExfat: { skip: string | false; timeout: number } = {
  skip: !hasExfat && 'needs root, exfat-fuse and exfatprogs',
  timeout: 120_000,
};

const shell = (script: string, cwd: string): Buffer => {
  return execFileSync('sh', ['-ec', script], { cwd, stdio: 'pipe' });
};

/** Runs a job while the folder `data` is an exFAT, which has no hard links, owners or modes. */
export async function onMounted(
  cwd: string,
  options: string,
  job: () => Promise<void>,
): Promise<void> {
  shell(`loop=$(losetup -f --show image); mount.exfat-fuse -o ${options} $loop data`, cwd);
  try {
    await job();
  } finally {
    shell('loop=$(losetup -j image | cut -d: -f1); umount data; losetup -d $loop', cwd);
  }
}

/** @returns a new folder with an image of an exFAT, and a folder `data` to mount it on */
export async function folderWithExfat(): Promise<string> {
  const cwd = await emptyFolder();
  shell('mkdir data; truncate -s 8M image; mkfs.exfat image', cwd);
  return cwd;
}
