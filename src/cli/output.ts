/** Writes what a command prints, and waits until it is written. */
import { reasonOf } from '../errors.ts';
import { CommandError } from './command-errors.ts';

/**
 * Writes a text. The caller must listen to the event `error` of `output`, which would otherwise end
 * the process. For standard output `command.ts` does so.
 * @returns once the text is written
 * @throws CommandError with the error of the system as its cause
 */
export function writeOutput(output: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => error ? reject(outputError(error)) : resolve());
  });
}

/** @returns the error of an output in words for an operator */
export function outputError(error: unknown): CommandError {
  return new CommandError(`cannot write the output: ${reasonOf(error)}`, { cause: error });
}
