/** Outputs for tests: one that keeps what it gets, and one that cannot be written. */
import { Writable } from 'node:stream';

/** @returns an output, and the texts that were written to it, one for each write */
export function collected(): { readonly output: Writable; readonly chunks: readonly string[] } {
  const chunks: string[] = [];
  const output = new Writable({
    write: (chunk, _encoding, done) => {
      chunks.push(String(chunk));
      done();
    },
  });
  return { output, chunks };
}

/** @returns an output whose writes fail with this code, and the error of each */
export function failing(code: string): { readonly output: Writable; readonly error: Error } {
  const error = Object.assign(new Error(`write ${code}`), { code });
  const output = new Writable({ write: (_chunk, _encoding, done) => done(error) });
  // As the command does. Without a listener the error would end the process.
  output.on('error', () => undefined);
  return { output, error };
}
