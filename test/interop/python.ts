/** Runs a Python script, if an installed Python has the package that it needs. */
import { spawn, spawnSync } from 'node:child_process';

/** The interpreter on the PATH, and that of the system, which has the packages of the system. */
const INTERPRETERS = ['python3', '/usr/bin/python3'];

/** Calls the script: JSON in, JSON out. */
type Ask = (input: unknown) => Promise<unknown>;

/**
 * @param module the module that the script needs
 * @param script reads `value` and sets `answer`
 * @returns undefined if no interpreter has the module
 */
export function pythonWith(module: string, script: string): Ask | undefined {
  const hasIt = (interpreter: string) =>
    spawnSync(interpreter, ['-c', `import ${module}`]).status === 0;
  const interpreter = INTERPRETERS.find(hasIt);
  if (interpreter === undefined) return undefined;
  const before = 'import json, sys\nvalue = json.load(sys.stdin)\n';
  const program = `${before}${script}\njson.dump(answer, sys.stdout)\n`;
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
