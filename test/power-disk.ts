/**
 * A disk in memory whose power can be cut. It keeps what was synced, and of what was not any beginning, or all but a
 * sector of it: a file by its syncs, the names in a folder by the syncs of that folder (fsync(2) promises no more).
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../src/users/disk.ts';

/** In bytes. Those of real disks are larger; these are small so that a line has several. */
const SECTOR = 32;

/** What a disk holds: the contents of files by their paths. */
export type Image = ReadonlyMap<string, Buffer>;

/** Where a write of so many bytes may be torn. */
export type Cuts = (length: number) => Iterable<number>;

interface Inode {
  readonly ino: number;
  /** What was synced, and each state since then. */
  states: [synced: Buffer, ...unsynced: Buffer[]];
}

type Names = ReadonlyMap<string, Inode>;

export class PowerDisk implements Disk {
  /** Called before each operation; what it throws is what the operation fails with. */
  before: () => void = () => undefined;
  /** The names as they were synced, and after each change since then. */
  #names: [synced: Names, ...unsynced: Names[]];
  #inodes = 0;

  constructor(image: Image = new Map()) {
    this.#names = [new Map([...image].map(([path, bytes]) => [path, this.#inode(bytes)]))];
  }

  /** What may be on the disk if the power goes now. */
  *images(cuts: Cuts): Generator<Image> {
    for (const names of this.#names) yield* product([...names], cuts);
  }

  async open(path: string, flags: string): Promise<DiskFile> {
    this.before();
    const found = this.#now.get(path);
    if (flags === 'r') return this.#handle(path, this.#inode(Buffer.alloc(0)));
    if (found !== undefined && flags.includes('x')) throw Object.assign(new Error('EEXIST'), { code: 'EEXIST' });
    const inode = found ?? this.#inode(Buffer.alloc(0));
    if (found === undefined) this.#rename((names) => names.set(path, inode));
    return this.#handle(path, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    this.before();
    const inode = this.#existing(from);
    this.#rename((names) => names.delete(from) && names.set(to, inode));
  }

  async rm(path: string): Promise<void> {
    this.before();
    if (this.#now.has(path)) this.#rename((names) => names.delete(path));
  }

  async stat(path: string): Promise<{ ino: number; size: number }> {
    this.before();
    const { ino, states } = this.#existing(path);
    return { ino, size: last(states).length };
  }

  #handle(path: string, inode: Inode): DiskFile {
    const { states } = inode;
    const status = { ino: inode.ino, mode: 0o100600, uid: 0, gid: 0, isFile: () => true };
    return {
      read: async (buffer, offset, length, position) => ({
        bytesRead: last(states).copy(buffer, offset, position, position + length),
      }),
      writeFile: async (bytes) => {
        try {
          this.before();
        } catch (error) {
          // The write ends short.
          states.push(Buffer.concat([last(states), bytes.subarray(0, bytes.length / 2)]));
          throw error;
        }
        states.push(Buffer.concat([last(states), bytes]));
      },
      truncate: async (length) => {
        this.before();
        states.push(last(states).subarray(0, length));
      },
      datasync: async () => {
        this.before();
        states.splice(0, states.length, last(states));
      },
      // Of what is opened here only folders are synced this way.
      sync: async () => {
        this.before();
        for (const name of this.#now.keys()) if (dirname(name) !== path) throw new Error(`${path} is not its folder`);
        this.#names = [this.#now];
      },
      stat: async () => ({ ...status, size: last(states).length }),
      chmod: async () => this.before(),
      chown: async () => this.before(),
      close: async () => undefined,
    };
  }

  get #now(): Names {
    return last(this.#names);
  }

  #existing(path: string): Inode {
    const inode = this.#now.get(path);
    if (inode === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return inode;
  }

  #rename(change: (names: Map<string, Inode>) => unknown): void {
    const names = new Map(this.#now);
    change(names);
    this.#names.push(names);
  }

  #inode(bytes: Buffer): Inode {
    return { ino: (this.#inodes += 1), states: [bytes] };
  }
}

/** Every state of each file with every state of the others. */
function* product(entries: [string, Inode][], cuts: Cuts): Generator<Image> {
  const [first, ...others] = entries;
  if (first === undefined) return yield new Map();
  const contents = [...contentsOf(first[1], cuts)];
  for (const image of product(others, cuts)) for (const bytes of contents) yield new Map([[first[0], bytes], ...image]);
}

function* contentsOf({ states }: Inode, cuts: Cuts): Generator<Buffer> {
  yield states[0];
  for (const [index, state] of states.slice(1).entries()) {
    const { length } = states[index] ?? state;
    for (const cut of state.length > length ? cuts(state.length - length) : []) {
      const torn = state.subarray(0, length + cut);
      yield torn;
      // The length came to the disk, the last page did not.
      yield Buffer.concat([torn, Buffer.alloc(state.length - torn.length)]);
    }
    // Later sectors came to the disk, this one did not.
    for (let start = length, end; start < state.length; start = end) {
      end = Math.min(start - (start % SECTOR) + SECTOR, state.length);
      yield Buffer.from(state).fill(0, start, end);
    }
    yield state;
  }
}

function last<T>(list: readonly [T, ...T[]]): T {
  return list.at(-1) ?? list[0];
}
