/**
 * A disk in memory whose power can be cut. After a cut it has everything that was synced. Of the
 * rest it may have any beginning, or all but one sector. A sync of a file covers its content, and a
 * sync of a folder covers the names in it (fsync(2) promises no more).
 *
 * A sync that fails drops the dirty pages, as Linux does. Reads show them while the power is on, a
 * later sync succeeds without writing them, and after a power cut they are lost. Before it failed,
 * the sync may have written none of the pages, all of them, or only the length of the file: the
 * pages then read as NUL bytes.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile } from '../../src/journal/disk.ts';
import { systemError } from './system-errors.ts';

/** In bytes. Sectors of real disks are larger. These are small, so that a line spans several. */
const SECTOR = 32;

/** The content of a disk: the bytes of each file by its path. */
export type Image = ReadonlyMap<string, Buffer>;

/** The places where a write of this many bytes may be torn. */
export type Cuts = (length: number) => Iterable<number>;

/** The synced state of something on a disk, and each state since then. */
type States<T> = [synced: T, ...unsynced: T[]];

interface Inode {
  readonly ino: bigint;
  /** The bytes that reads show. */
  cache: Buffer;
  /** One element for each possible outcome of failed syncs. */
  onDisk: States<Buffer>[];
}

type Names = ReadonlyMap<string, Inode>;

export class PowerDisk implements Disk {
  /** Called before each operation. If it throws, the operation fails with that error. */
  before: () => void = () => undefined;
  /** Whether a sync of a folder makes its names durable; else it fails with EINVAL. */
  hasFolderSync = true;
  /** Whether a sync of a file makes its name durable too, as on disks with one journal for both. */
  hasNameInFileSync = false;
  /** The names that a process finds. */
  #names: Names;
  /** One element for each possible outcome of failed syncs. */
  #namesOnDisk: States<Names>[];
  #inodes = 0n;

  constructor(image: Image = new Map()) {
    this.#names = new Map([...image].map(([path, bytes]) => [path, this.#inode(bytes)]));
    this.#namesOnDisk = [[this.#names]];
  }

  /** @returns every possible content of the disk if the power fails now */
  *images(cuts: Cuts): Generator<Image> {
    for (const states of this.#namesOnDisk) {
      for (const names of states) yield* product([...names], cuts);
      // Later changes reached the disk, but this new name did not.
      const [synced] = states;
      const names = [...last(states)];
      for (const [missing] of names.filter(([path]) => !synced.has(path))) {
        yield* product(
          names.filter(([path]) => path !== missing),
          cuts,
        );
      }
    }
  }

  async open(path: string, flags: string): Promise<DiskFile> {
    this.before();
    const found = this.#names.get(path);
    if (flags === 'r') return this.#handle(path, this.#inode(Buffer.alloc(0)), { isFolder: true });
    if (found !== undefined && flags.includes('x'))
      throw systemError('EEXIST', 'open');
    const inode = found ?? this.#inode(Buffer.alloc(0));
    if (found === undefined) this.#rename((names) => names.set(path, inode));
    return this.#handle(path, inode, { isReadable: flags.includes('+') });
  }

  async rename(from: string, to: string): Promise<void> {
    this.before();
    const inode = this.#existing(from);
    this.#rename((names) => names.delete(from) && names.set(to, inode));
  }

  async rm(path: string): Promise<void> {
    this.before();
    if (this.#names.has(path)) this.#rename((names) => names.delete(path));
  }

  async stat(path: string): Promise<{ ino: bigint; size: bigint }> {
    this.before();
    const { ino, cache } = this.#existing(path);
    return { ino, size: BigInt(cache.length) };
  }

  #handle(
    path: string,
    inode: Inode,
    { isFolder = false, isReadable = false }: { isFolder?: boolean; isReadable?: boolean },
  ): DiskFile {
    const status = { mode: 0o100600, uid: 0, gid: 0, isFile: () => true };
    const datasync = async () => {
      try {
        this.before();
      } catch (error) {
        inode.onDisk = distinct(inode.onDisk.flatMap(afterFailedSync));
        throw error;
      }
      inode.onDisk = distinct(inode.onDisk.map(last));
    };
    return {
      read: async (buffer, offset, length, position) => {
        if (!isReadable) throw systemError('EBADF', 'read');
        return { bytesRead: inode.cache.copy(buffer, offset, position, position + length) };
      },
      writeFile: async (bytes) => {
        try {
          this.before();
        } catch (error) {
          // The write ends short.
          append(inode, bytes.subarray(0, bytes.length / 2));
          throw error;
        }
        append(inode, bytes);
      },
      truncate: async (length) => {
        this.before();
        truncate(inode, length);
      },
      datasync,
      sync: async () => {
        if (!isFolder) {
          await datasync();
          if (this.hasNameInFileSync) this.#syncNames();
          return;
        }
        if (!this.hasFolderSync) {
          this.before();
          throw systemError('EINVAL', 'fsync');
        }
        for (const name of this.#names.keys()) {
          if (dirname(name) !== path) throw new Error(`${path} is not its folder`);
        }
        try {
          this.before();
        } catch (error) {
          this.#namesOnDisk = this.#namesOnDisk.flatMap((states) => [[states[0]], [last(states)]]);
          throw error;
        }
        this.#syncNames();
      },
      stat: async () => ({ ...status, ino: inode.ino, size: inode.cache.length }),
      chmod: async () => this.before(),
      chown: async () => this.before(),
      close: async () => undefined,
    };
  }

  #existing(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT', 'stat');
    return inode;
  }

  #syncNames(): void {
    this.#namesOnDisk = this.#namesOnDisk.map((states) => [last(states)]);
  }

  #rename(change: (names: Map<string, Inode>) => unknown): void {
    const changed = (before: Names) => {
      const names = new Map(before);
      change(names);
      return names;
    };
    this.#names = changed(this.#names);
    for (const states of this.#namesOnDisk) states.push(changed(last(states)));
  }

  #inode(bytes: Buffer): Inode {
    return { ino: (this.#inodes += 1n), cache: bytes, onDisk: [[bytes]] };
  }
}

/** An append writes whole sectors, and so repairs the last sector if a part of it was lost. */
function append(inode: Inode, bytes: Uint8Array): void {
  const start = inode.cache.length - (inode.cache.length % SECTOR);
  inode.cache = Buffer.concat([inode.cache, bytes]);
  for (const states of inode.onDisk) {
    states.push(Buffer.concat([resized(last(states), start), inode.cache.subarray(start)]));
  }
}

/** A truncation to the current length makes nothing dirty. */
function truncate(inode: Inode, length: number): void {
  if (length === inode.cache.length) return;
  inode.cache = resized(inode.cache, length);
  for (const states of inode.onDisk) states.push(resized(last(states), length));
}

const resized = (bytes: Buffer, length: number): Buffer =>
  Buffer.concat([bytes.subarray(0, length), Buffer.alloc(Math.max(length - bytes.length, 0))]);

function afterFailedSync(states: States<Buffer>): Buffer[] {
  const [synced] = states;
  const written = last(states);
  return [synced, resized(synced, Math.max(synced.length, written.length)), written];
}

/** @returns each content once, as a synced state */
function distinct(contents: readonly Buffer[]): States<Buffer>[] {
  const byContent = new Map(contents.map((bytes) => [bytes.toString('latin1'), bytes]));
  return [...byContent.values()].map((bytes) => [bytes]);
}

/** Every state of each file with every state of the others. */
function* product(entries: [string, Inode][], cuts: Cuts): Generator<Image> {
  const [first, ...others] = entries;
  if (first === undefined) return yield new Map();
  const contents = [...contentsOf(first[1], cuts)];
  for (const image of product(others, cuts))
    for (const bytes of contents) yield new Map([[first[0], bytes], ...image]);
}

function* contentsOf({ onDisk }: Inode, cuts: Cuts): Generator<Buffer> {
  for (const states of onDisk) yield* contentsAfter(states, cuts);
}

function* contentsAfter(states: States<Buffer>, cuts: Cuts): Generator<Buffer> {
  yield states[0];
  for (const [index, state] of states.slice(1).entries()) {
    const { length } = states[index] ?? state;
    for (const cut of state.length > length ? cuts(state.length - length) : []) {
      const torn = state.subarray(0, length + cut);
      yield torn;
      // The length reached the disk, but the last page did not.
      yield Buffer.concat([torn, Buffer.alloc(state.length - torn.length)]);
    }
    // Later sectors reached the disk, but this one did not.
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
