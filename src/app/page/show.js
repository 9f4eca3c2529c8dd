/**
 * Turns answers, times and rows into text and elements of the page. The other scripts use these
 * functions. All are scripts without imports, so that the page is one document.
 * Promise: text from a server or a person becomes text nodes alone, so it is never read as HTML.
 */
'use strict';

/**
 * A request.
 * @typedef {object} Sent
 * @property {string} method
 * @property {string} path
 * @property {Record<string, string>} headers
 * @property {Record<string, unknown>} [body]
 */

/**
 * An answer. If the status is 0, none came, and `statusText` says why.
 * @typedef {{ status: number, statusText: string, headers: Headers, body: unknown }} Answer
 */

// Requests and answers

/** @type {(element: Element | null, sent: Sent) => void} */
function showRequest(element, { method, path, headers, body }) {
  showMessage(element, `${method} ${path}`, Object.entries(headers), body);
}

/** @type {(element: Element | null, answer: Answer) => void} */
function showAnswer(element, { status, statusText, headers, body }) {
  if (status === 0) return showEmpty(element, 'No answer');
  const names = ['Content-Type', 'Error-Code', 'Retry-After', 'WWW-Authenticate'];
  const shown = names.flatMap((name) => {
    const value = headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  return showMessage(element, `${status} ${statusText}`, shown, body);
}

/** @type {(element: Element | null, start: string, headers: string[][], body: unknown) => void} */
function showMessage(element, start, headers, body) {
  const lines = headers.map((header) => `\n${header.join(': ')}`).join('');
  const content = typeof body === 'string' ? body : JSON.stringify(body, null, 2);
  show(element, newElement('b', start), lines, content === undefined ? '' : `\n\n${content}`);
}

/** @type {(answer: Answer) => string} */
function codeOf({ headers }) {
  return headers.get('Error-Code') ?? 'no Error-Code';
}

/**
 * Why an answer is not a success.
 * @type {(form: HTMLFormElement, answer: Answer, isOver: boolean) => string | undefined}
 */
function problemOf(form, answer, isOver) {
  const { status, statusText, headers, body } = answer;
  if (status === 0) return statusText;
  if (typeof body !== 'object' && !headers.has('Error-Code')) {
    const end = `(${status}, ${codeOf(answer)})`;
    return `This is not an answer of latchkey. A proxy may have sent it. ${end}`;
  }
  if (status >= 300) return refusalText(form.id, answer, isOver);
  const { expects } = form.dataset;
  if (expects === undefined || textOf(body, expects)) return undefined;
  return `The server accepted the request, but its answer has no text "${expects}". (${status})`;
}

/** @type {(formId: string, answer: Answer, isOver: boolean) => string} */
function refusalText(formId, answer, isOver) {
  const { status, headers, body } = answer;
  const code = codeOf(answer);
  const said = textOf(body, 'description') ?? textOf(body, 'result');
  const own = wordsIn('advice', `${isOver ? 'over' : formId}-${code}`);
  const advice = own ?? wordsIn('advice', code);
  const words = advice ?? (said === undefined ? 'The answer does not say why.' : `${said}.`);
  const waitSeconds = Number(headers.get('Retry-After') ?? 0);
  const wait = waitSeconds > 0 ? ` Try again in ${duration(waitSeconds)}.` : '';
  return `Refused: ${words}${wait} (${status}, ${code})`;
}

// Elements

/** @type {(id: string) => HTMLElement} */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found;
}

/** @type {(element: Element | null, ...content: (string | Node)[]) => void} */
function show(element, ...content) {
  element?.classList.remove('empty');
  element?.replaceChildren(...content);
}

/** @type {(element: Element | null, content: string) => void} shows why there is nothing to see */
function showEmpty(element, content) {
  show(element, content);
  element?.classList.add('empty');
}

/** @type {(kind: string, ...content: (string | Node)[]) => HTMLElement} */
function newElement(kind, ...content) {
  const element = document.createElement(kind);
  element.append(...content);
  return element;
}

/**
 * Shows the table if it has rows. The first cell of a row is its header.
 * @type {(id: string, rows: [string | Node, ...(string | Node)[]][]) => void}
 */
function fillTable(id, rows) {
  const lines = rows.map(([name, ...cells]) => {
    const header = newElement('th', name);
    header.setAttribute('scope', 'row');
    return newElement('tr', header, ...cells.map((cell) => newElement('td', cell)));
  });
  byId(id).querySelector('tbody')?.replaceChildren(...lines);
  byId(id).hidden = rows.length === 0;
}

/** @type {(id: string) => DocumentFragment} a copy of the content of a template */
function copyOf(id) {
  const template = byId(id);
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`${id} is not a template`);
  return document.importNode(template.content, true);
}

/** @type {(id: string, key: string) => string | undefined} words of a template, by their id */
function wordsIn(id, key) {
  const found = copyOf(id).getElementById(key);
  return found?.textContent.trim().replaceAll(/\s+/g, ' ');
}

// Values

/** @type {(json: string) => unknown} the value, or the text itself if it is not JSON */
function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** @type {(value: unknown, name: string) => unknown} an own member of a JSON value */
function member(value, name) {
  const members = typeof value === 'object' ? value : null;
  return Object.getOwnPropertyDescriptor(members ?? {}, name)?.value;
}

/** @type {(value: unknown, name: string) => string | undefined} */
function textOf(value, name) {
  const found = member(value, name);
  return typeof found === 'string' ? found : undefined;
}

/** @type {(seconds: unknown) => string} a time with its time zone */
function timeText(seconds) {
  const time = new Date(Number(seconds) * 1000);
  return time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' });
}

/** @type {(seconds: number) => string} */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
