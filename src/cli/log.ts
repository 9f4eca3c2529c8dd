/**
 * Log lines on stderr: text for people, or JSON with one object per line.
 * Promise: with JSON, stderr has nothing but such lines, from the moment the arguments are read
 * until the process ends. While no process reads stderr, lines take at most about 1 MiB of memory.
 * Accepted: further lines are dropped then.
 */
import { subscribe } from 'node:diagnostics_channel';
import { EVENTS } from '../events.ts';
import { util } from '../node-modules.ts';

/**
 * The events of the command itself. `tls`: the certificate was reloaded. `reload`: the secrets were
 * reloaded, or need a restart, because LATCHKEY_SECRET sets them. `administration`: an operator has
 * used `latchkey users`. `stop`: the process ends.
 */
export type LogEvent =
  | 'start'
  | 'stop'
  | 'warning'
  | 'error'
  | 'tls'
  | 'reload'
  | 'administration';

/** Further members of a line of JSON. Their names are not `time`, `event` or `detail`. */
export type LogFields = Readonly<Record<string, string>>;

/** Writes one line. As text the line has only the detail. */
export type Log = (event: LogEvent, detail: string, fields?: LogFields) => void;

const LINE_BREAK = /\s*[\r\n]\s*/g;

/** @returns the text with its line breaks replaced by ` | ` */
export function oneLine(text: string): string {
  return text.replace(LINE_BREAK, ' | ');
}

/** Writes `stop` to stdout, and all else to stderr. It omits `start`, which `serve` prints. */
export const textLog: Log = (event, detail) => {
  if (event === 'start') return;
  if (event === 'stop') console.log(`latchkey stopped: ${oneLine(detail)}`);
  else writeLine(`latchkey: ${oneLine(detail)}`);
};

/**
 * Finds `--log json` before the arguments are checked, so that an error in them is logged as JSON.
 * Of several flags the last one counts, as for every flag.
 */
export function isJsonLog(args: readonly string[]): boolean {
  const { values } = util.parseArgs({
    args: [...args],
    options: { log: { type: 'string' } },
    allowPositionals: true,
    strict: false,
  });
  return values.log === 'json';
}

/**
 * Begins to log every event of the diagnostics channels, and every warning of Node, as JSON.
 * @returns the log for all other events, which writes the same form
 */
export function startJsonLog(): Log {
  for (const [event, { name }] of Object.entries(EVENTS)) {
    subscribe(name, (message) => writeJson(event, Object(message)));
  }
  const log: Log = (event, detail, fields) => writeJson(event, { detail, ...fields });
  logNodeWarnings(log);
  return log;
}

/** Replaces Node's own listener, which prints text. With --no-warnings there is no listener. */
function logNodeWarnings(log: Log): void {
  if (process.listenerCount('warning') === 0) return;
  process.removeAllListeners('warning');
  process.on('warning', ({ name, message }) => log('warning', `${name}: ${message}`));
}

function writeJson(event: string, fields: object): void {
  writeLine(asciiOnly(JSON.stringify({ time: new Date().toISOString(), event, ...fields })));
}

const NOT_PRINTABLE_ASCII = /[^ -~]/g;

/** @returns the same JSON in printable ASCII, which cannot end the line or control a terminal */
function asciiOnly(json: string): string {
  return json.replace(NOT_PRINTABLE_ASCII, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

const MAX_UNREAD_BYTES = 2 ** 20;

function writeLine(line: string): void {
  if (process.stderr.writableLength < MAX_UNREAD_BYTES) console.error(line);
}
