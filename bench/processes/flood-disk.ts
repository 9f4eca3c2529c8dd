/**
 * Loaded into a server before it begins (`node --import`), to see how long its files have to wait: writes 20 times a
 * second to the file that BENCH_FILE names, and at each message sends the milliseconds that the slowest took since the
 * last one. Files and scrypt share the threads of libuv's pool.
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
  // The one that still waits has waited so long at least.
  look();
  process.send?.(slowest);
  slowest = 0;
});
process.channel?.unref();
