/**
 * Log lines on stderr: text for people, or JSON, an object a line. Every line has an event and a
 * detail. Lines that no process reads are dropped, not kept in memory.
 */
import { subscribe } from 'node:diagnostics_channel';
import { EVENTS } from '../events.ts';

/** `event` is `warning`, `error` or `tls`; text leaves it out. */
export type Log = (event: string, detail: string) => void;

const LINE_BREAK = /\s*[\r\n]\s*/g;

export const logAsText: Log = (_event, detail) => {
  writeLine(`latchkey: ${detail.replace(LINE_BREAK, ' | ')}`);
};

/** Logs every event of the diagnostics channels. @returns what logs the rest in the same form */
export function logAsJson(): Log {
  for (const [event, { name }] of Object.entries(EVENTS)) {
    subscribe(name, (message) => writeJson(event, Object(message)));
  }
  return (event, detail) => writeJson(event, { detail });
}

function writeJson(event: string, fields: object): void {
  writeLine(asciiOnly(JSON.stringify({ time: new Date().toISOString(), event, ...fields })));
}

const NOT_PRINTABLE_ASCII = /[^ -~]/g;

/** In ASCII no character can end the line, or control the terminal that shows it. */
function asciiOnly(json: string): string {
  return json.replace(NOT_PRINTABLE_ASCII, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** 1 MiB of lines that are not read yet. */
const MAX_UNREAD = 2 ** 20;

function writeLine(line: string): void {
  if (process.stderr.writableLength < MAX_UNREAD) console.error(line);
}
