/**
 * A machine of systemd for tests: a real systemd as the first process of PID, mount and cgroup
 * namespaces. It knows only the units of a test. It shares the network and the file system of this
 * machine, but `/run`, `/opt` and `/var/lib` are empty, and `/etc` is a copy.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../support/user-folder.ts';

const SYSTEMD = '/lib/systemd/systemd';

/** The path of Node in the unit of the page. The machine has the Node of this process there. */
const NODE = '/usr/bin/node';

function isPermitted(): boolean {
  const namespaces = ['--mount', '--pid', '--cgroup', '--fork', 'true'];
  return spawnSync('unshare', namespaces).status === 0;
}

function reasonToSkip(): string | false {
  if (process.getuid?.() !== 0) return 'only root may start a systemd';
  for (const path of [SYSTEMD, NODE]) if (!existsSync(path)) return `${path} does not exist`;
  return !isPermitted() && 'the system permits no namespaces';
}

export const skip: string | false = reasonToSkip();

/**
 * The outer script keeps a cgroup of its own, and removes it at the end. The inner one prepares the
 * folders. systemd then finds no controller of cgroups, so that it changes none of this machine.
 */
const SCRIPT = `
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
group=/sys/fs/cgroup/systemd/latchkey-$$
mkdir "$group"
trap 'echo $$ > /sys/fs/cgroup/systemd/cgroup.procs
  # A process that was killed may take a moment to end.
  for try in $(seq 100); do
    find "$group" -depth -type d -exec rmdir {} + 2> /dev/null && break
    sleep 0.05
  done' EXIT
echo $$ > "$group/cgroup.procs"
unshare --cgroup --pid --mount --fork --kill-child bash -c '
  set -eu
  mount -t proc proc /proc
  head -n 1 /proc/cgroups > "$0/cgroups"
  mount --bind "$0/cgroups" /proc/cgroups
  umount /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  for folder in /run /opt /var/lib; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
  cp -a /etc "$0/etc"
  mount --bind "$0/etc" /etc
  mount --bind "$1" ${NODE}
  export container=latchkey SYSTEMD_UNIT_PATH="$0/units"
  export SYSTEMD_PROC_CMDLINE="systemd.unified_cgroup_hierarchy=0 \\
    systemd.legacy_systemd_cgroup_controller=1"
  exec ${SYSTEMD} --system --unit=basic.target --log-target=console --log-level=notice \\
    --show-status=no
' "$1" "$2" < /dev/null > "$1/console" 2>&1 &
echo $!
read -r || true
kill -KILL $!
wait $! 2> /dev/null || true`;

/** Units that a service depends on. */
const TARGETS = ['sysinit', 'basic', 'network', 'shutdown', 'multi-user'];

export interface Machine {
  /** Runs a program inside. @returns its standard output @throws Error if it fails */
  run(program: string, ...args: string[]): Promise<string>;
  /** @returns one property of a unit, as `systemctl show` prints it */
  property(unit: string, name: string): Promise<string>;
  /** Ends every process of the machine. */
  end(): Promise<void>;
}

/**
 * @param folder an empty folder for the files of the machine
 * @param units the text of each unit, by its path below a folder of units
 */
export async function startMachine(
  folder: string,
  units: Readonly<Record<string, string>>,
): Promise<Machine> {
  const targets = TARGETS.map((name) => [`${name}.target`, '[Unit]\nDefaultDependencies=no\n']);
  for (const [name = '', text = ''] of [...targets, ...Object.entries(units)]) {
    const path = join(folder, 'units', name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
  }
  const args = ['--mount', 'bash', '-c', SCRIPT, 'bash', folder, process.execPath];
  // The script ends the machine when its standard input ends, so also with this process.
  const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  const pid = Number(line);
  const inside = async (program: string, ...args: string[]) => {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    const target = ['--target', children.trim(), '--mount', '--pid', '--cgroup'];
    return (await run('nsenter', [...target, program, ...args], { cwd: '/' })).stdout;
  };
  const isUp = () => inside('systemctl', 'is-system-running').then(() => true, () => false);
  for (let tries = 0; !(await isUp()); tries += 1) {
    if (tries === 200) assert.fail(await readFile(join(folder, 'console'), 'utf8'));
    await delay(50);
  }
  return {
    run: inside,
    property: async (unit, name) => {
      return (await inside('systemctl', 'show', '--property', name, '--value', unit)).trim();
    },
    end: async () => {
      const isOver = once(child, 'exit');
      child.stdin.end();
      await isOver;
    },
  };
}
