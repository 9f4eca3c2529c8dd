/** The words of the command line: what there is to say, and how it is read, which is strictly. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

export const HELP: string = `Usage: latchkey <command>

  serve                    sign-up and login at POST /signup and POST /auth
  secret                   print a new secret
  inspect <token>          print what a token says, without verifying it
    --secret-file <file>   verify it too, by the secrets in a file

  --help                   this text; that of serve: latchkey serve --help
  --version                that of the package`;

export const SERVE_HELP: string = `Usage: latchkey serve [options]

  --host <address>           where to listen (HOST; default 127.0.0.1)
  --port <number>            0 to 65535, 0 for any free one (PORT; default 3000)
  --data <folder>            of users and secret (default ./latchkey-data)
  --users file|memory|<URL>  in --data, or postgres://... (default file)
  --lifetime <seconds>       of a token, 1 to 1000000000 (default 3000)
  --min-password-length <n>  in characters, 1 to 256 (default 8)
  --common-passwords refuse|allow
                             the 3,000 most used passwords (default refuse)
  --scrypt-cost <log2 N>     1 to 20, each doubles time and memory (default 17)
  --throttle on|off          whether guesses and signups must wait (default on)
  --trust-proxy <n>          proxies in front, 0 to 100 (default 0)
  --max-connections <n>      at once, 1 to 1000000 (default 1000000)
  --tls-cert <file>          serve HTTPS with this certificate, in PEM
  --tls-key <file>           its private key, in PEM; SIGHUP reads both again
  --log none|json            what happens, a line each on stderr (default none)
  --env-file <file>          read environment variables from a file

The secret is LATCHKEY_SECRET, or in the file secret in --data, which is made
on the first start. Of several, one a line, the first signs and all verify.`;

/** Four lines to paste into a shell. */
export function tryOut(url: string, minPasswordLength: number): string {
  const json = "-H 'Content-Type: application/json'";
  // As long as it must be, in single quotes, and not a common one: those have no spaces.
  const shortest = 'correct horse';
  const words = minPasswordLength > shortest.length ? `${shortest} battery staple` : shortest;
  const password = words.padEnd(minPasswordLength, 'staple');
  const body = `-d '{"username":"joe","password":"${password}"}'`;
  return `  curl ${url}/signup ${json} ${body}
  TOKEN=$(curl -s ${url}/auth ${json} ${body} | cut -d '"' -f 4)
  curl ${url}/hello -H "Authorization: JWT $TOKEN"
  curl -i ${url}/hello`;
}

export const SERVE_FLAGS = {
  'host': { type: 'string' },
  'port': { type: 'string' },
  'env-file': { type: 'string' },
  'data': { type: 'string', default: './latchkey-data' },
  'users': { type: 'string', default: 'file' },
  'lifetime': { type: 'string', default: '3000' },
  'min-password-length': { type: 'string', default: '8' },
  'common-passwords': { type: 'string', default: 'refuse' },
  'scrypt-cost': { type: 'string', default: '17' },
  'throttle': { type: 'string', default: 'on' },
  'trust-proxy': { type: 'string', default: '0' },
  'max-connections': { type: 'string', default: '1000000' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'log': { type: 'string', default: 'none' },
} as const;

/** The words of `inspect`. */
export const INSPECT = { allowPositionals: true, options: { 'secret-file': { type: 'string' } } } as const;

/** The command was not understood. */
export class UsageError extends Error {}

/** What {@link readArguments} answers. */
export type Arguments<Config extends ParseArgsConfig> = ReturnType<typeof parseArgs<Config>>;

/** `util.parseArgs` with messages of one line. @throws UsageError */
export function readArguments<const Config extends ParseArgsConfig>(config: Config): Arguments<Config> {
  try {
    return parseArgs(config);
  } catch (error) {
    // An argument is not repeated: it may be a token.
    const { code, message } = error as NodeJS.ErrnoException;
    const isOneTooMany = code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL';
    if (isOneTooMany) throw new UsageError('too many arguments; those of npm start follow --');
    const line = message.replaceAll('\n', ' ').replace(/\. To specify a positional argument .*/, '');
    throw new UsageError(line.replace(/'-[^' ]{24,}'/, "'-...'"));
  }
}

/** @throws UsageError if the value of a flag or a variable is no whole number within bounds */
export function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UsageError(`${name} expected a whole number from ${min} to ${max}, got ${JSON.stringify(value)}`);
}

/** @throws UsageError if the value of a flag is none of its choices */
export function oneOf(name: string, value: string, choices: readonly string[]): string {
  if (choices.includes(value)) return value;
  throw new UsageError(`${name} expected ${choices.join(' or ')}, got ${JSON.stringify(value)}`);
}
