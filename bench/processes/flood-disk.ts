/**
 * Loaded into a server before it starts (`node --import`). It writes 20 times a second to the file
 * that BENCH_FILE names. At each message it sends the milliseconds of the slowest write since the
 * last message. It shows how long files wait, because they share libuv's threads with scrypt.
 */
import { open } from 'node:fs/promises';

const file = await open(process.env['BENCH_FILE'] ?? '', 'w');
let slowest = 0;
let begunAt: number | undefined;

const look = () => {
  if (begunAt !== undefined) slowest = Math.max(slowest, performance.now() - begunAt);
};

setInterval(async () => {
  if (begunAt !== undefined) return;
  begunAt = performance.now();
  await file.write('a line\n');
  await file.datasync();
  look();
  begunAt = undefined;
}, 50).unref();

process.on('message', () => {
  // A write that still waits counts with the time that it has waited so far.
  look();
  process.send?.(slowest);
  slowest = 0;
});
process.channel?.unref();
