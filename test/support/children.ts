/** Programs that tests run in processes of their own. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The path of a program in the folder `children`: compiled JavaScript if this file is compiled. */
export function childPath(name: string): string {
  const file = `./children/${name}${extname(import.meta.url)}`;
  return fileURLToPath(new URL(file, import.meta.url));
}
