/** Kills a process that writes to a store, after it has acknowledged some writes. */
import assert from 'node:assert/strict';
import { start } from './user-files.ts';

/**
 * Runs a job of `children/acknowledge.ts`, and kills it with `kill -9` while it writes.
 * @param lines how many writes it acknowledges at least before that
 * @returns the last number that it printed for each id
 */
export async function acknowledgedBeforeKill(
  job: 'removals' | 'puts',
  path: string,
  round: number,
  lines: number,
): Promise<Map<string, number>> {
  const child = await start('acknowledge', job, path, String(round));
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (output.split('\n').length > lines) child.kill('SIGKILL');
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.send('go');
  await closed;
  assert.equal(child.signalCode, 'SIGKILL');
  const whole = output.split('\n').slice(0, -1);
  assert.ok(whole.length >= lines && !output.includes('refused'), output);
  return new Map(whole.map((text) => {
    const [id = '', number] = text.split(' ');
    return [id, Number(number)];
  }));
}
