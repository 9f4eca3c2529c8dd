/**
 * Log lines on stderr: text for people, or JSON with one object per line.
 * Promise: lines that no process reads take at most about 1 MiB of memory. Further lines are
 * dropped.
 */
import { subscribe } from 'node:diagnostics_channel';
import { EVENTS } from '../events.ts';

/** `tls` tells that the certificate was reloaded, and `reload` the same of the secrets. */
export type LogEvent = 'warning' | 'error' | 'tls' | 'reload';

/** Writes one line. As text the line has only the detail. */
export type Log = (event: LogEvent, detail: string) => void;

const LINE_BREAK = /\s*[\r\n]\s*/g;

/** @returns the text with its line breaks replaced by ` | ` */
export function oneLine(text: string): string {
  return text.replace(LINE_BREAK, ' | ');
}

export const textLog: Log = (_event, detail) => {
  writeLine(`latchkey: ${oneLine(detail)}`);
};

/**
 * Begins to log every event of the diagnostics channels, as JSON.
 * @returns the log for all other events, which writes the same form
 */
export function startJsonLog(): Log {
  for (const [event, { name }] of Object.entries(EVENTS)) {
    subscribe(name, (message) => writeJson(event, Object(message)));
  }
  return (event, detail) => writeJson(event, { detail });
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
