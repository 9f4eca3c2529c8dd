/** Runs Python where there is one that has the package. Nothing is installed. */
import { spawn, spawnSync } from 'node:child_process';

/** The one on the PATH, and the system's, which has the packages of the system. */
const INTERPRETERS = ['python3', '/usr/bin/python3'];

/** Asks a Python script: JSON in, JSON out. */
type Ask = (input: unknown) => Promise<unknown>;

/**
 * @param module what the script needs
 * @param script reads `value` and sets `answer`
 * @returns undefined if no interpreter has the module
 */
export function pythonWith(module: string, script: string): Ask | undefined {
  const hasIt = (interpreter: string) =>
    spawnSync(interpreter, ['-c', `import ${module}`]).status === 0;
  const interpreter = INTERPRETERS.find(hasIt);
  if (interpreter === undefined) return undefined;
  const program = `import json, sys\nvalue = json.load(sys.stdin)\n${script}\njson.dump(answer, sys.stdout)\n`;
  return (input) =>
    new Promise((resolve, reject) => {
      const child = spawn(interpreter, ['-c', program], { stdio: ['pipe', 'pipe', 'pipe'] });
      const [out, err]: [string[], string[]] = [[], []];
      child.stdout.setEncoding('utf8').on('data', (text: string) => out.push(text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text));
      child.on('close', (code) => {
        if (code === 0) resolve(JSON.parse(out.join('')));
        else reject(new Error(err.join('')));
      });
      child.stdin.end(JSON.stringify(input));
    });
}
