/**
 * The page on which a person tries the routes of the application in a browser. Its files lie in the
 * folder `page`. They become one document, with the style and the scripts inline.
 * Promise: the page loads nothing else, and no script but its own runs in it. Its
 * Content-Security-Policy names the hashes of its style and its scripts.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Reply } from '../http/reply.ts';

/** What the page must know of the application. Its scripts read it as `settings`. */
export interface PageSettings {
  /** The path of the login. */
  readonly authPath: string;
  readonly usernameField: string;
  readonly passwordField: string;
  /** The word before a token in the Authorization header. */
  readonly scheme: string;
  /** In characters. */
  readonly minPasswordLength: number;
  readonly hasSessions: boolean;
  /** Whether the store can remove a user. */
  readonly canRemove: boolean;
}

const STYLE_LINK = /<link rel="stylesheet" href="([\w.]+)">/g;
const SCRIPT_LINK = /<script src="([\w.]+)"><\/script>/g;
const SETTINGS_SCRIPT = /(?<=<script type="application\/json" id="settings">)(?=<\/script>)/;

/**
 * @returns the reply with the page
 * @throws Error if a file of the page cannot be read, such as in a bundle without these files
 */
export function pageReply(settings: PageSettings): Reply {
  const links = readPageFile('page.html');
  const { html: styled, contents: styles } = inlined(links, STYLE_LINK, 'style');
  const { html, contents: scripts } = inlined(styled, SCRIPT_LINK, 'script');
  const page = html.replace(SETTINGS_SCRIPT, () => inlineJson(settings));
  return new Reply(200, Buffer.from(page), {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policyOf(styles, scripts),
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
  });
}

/** @returns the HTML with elements in place of its links to files, and the contents of those */
function inlined(
  html: string,
  link: RegExp,
  tag: 'style' | 'script',
): { readonly html: string; readonly contents: readonly string[] } {
  const contents: string[] = [];
  // The replacement is a function, because in a replacement text `$&` has a meaning.
  const inline = html.replaceAll(link, (_link, name: string) => {
    const content = readPageFile(name);
    contents.push(content);
    return `<${tag}>${content}</${tag}>`;
  });
  return { html: inline, contents };
}

function readPageFile(name: string): string {
  try {
    return readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8');
  } catch (error) {
    throw new Error(
      `"page" expected the file page/${name} beside the code of latchkey. If a bundler made ` +
      'this program: copy the folder node_modules/latchkey/dist/app/page beside the bundle, or ' +
      'leave latchkey out of the bundle',
      { cause: error },
    );
  }
}

/**
 * The browser does not run a script of the type application/json, so the policy need not name it.
 * @returns JSON without `<`, so that no text can end the script element or begin a comment
 */
function inlineJson(settings: PageSettings): string {
  return JSON.stringify(settings).replaceAll('<', '\\u003c');
}

/** A policy of CSP Level 3. `data:` allows the empty icon, for which no request is sent. */
function policyOf(styles: readonly string[], scripts: readonly string[]): string {
  const hashOf = (text: string) => createHash('sha256').update(text).digest('base64');
  const sources = (contents: readonly string[]) =>
    contents.map((content) => `'sha256-${hashOf(content)}'`).join(' ');
  return [
    "default-src 'none'",
    "connect-src 'self'",
    'img-src data:',
    `script-src ${sources(scripts)}`,
    `style-src ${sources(styles)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
