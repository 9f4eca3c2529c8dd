/** Reads the pages: their blocks of code, tables, headings and links. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ROOT as root } from './root.ts';

export { root };

/** Every page, as a path below the root. The front page comes first. */
export const PAGES: readonly string[] = [
  'README.md',
  'src/README.md',
  'src/crypto/README.md',
  'src/accounts/README.md',
  'src/auth/README.md',
  'src/auth/testing.md',
  'src/auth/frameworks.md',
  'src/auth/browser.md',
  'src/users/README.md',
  'src/sessions/README.md',
  'src/http/README.md',
  'src/cli/README.md',
  'src/cli/users.md',
  'src/cli/deployment.md',
  'test/README.md',
  'bench/README.md',
];

/** @returns the text of a file below the root */
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const texts: readonly string[] = PAGES.map(read);

/** All pages, one after the other. */
export const documents: string = texts.join('\n');

/** The blocks of code in one language, in order. */
function blocksIn(text: string, language: string): string[] {
  const block = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm');
  return [...text.matchAll(block)].map(([, code = '']) => code);
}

/** The blocks of code in one language from all pages, in order. */
export const blocks = (language: string): string[] => blocksIn(documents, language);

/** @returns the shell block that begins with these words; fails unless there is exactly one */
export function shellBlock(beginning: string): string {
  const found = blocks('sh').filter((block) => block.startsWith(beginning));
  assert.equal(found.length, 1, `number of shell blocks that begin with ${beginning}`);
  return found.join();
}

const FILE_NAME_LINE = /^\/\/ ([\w-]+(?:\.test)?\.mts)\n/;

/** Whether the first line of a program is not a comment with its file name. */
export const isUnnamed = (code: string): boolean => !FILE_NAME_LINE.test(code);

/** The file name in the first line of a program, or else its page and number: `auth-2.mts`. */
function fileNameOf(code: string, page: string, index: number): string {
  const isReadme = basename(page) === 'README.md';
  const folderOrPage = isReadme ? basename(dirname(page)) : basename(page, '.md');
  const pageName = page === 'README.md' ? 'front' : folderOrPage;
  return FILE_NAME_LINE.exec(code)?.[1] ?? `${pageName}-${index + 1}.mts`;
}

/** The blocks of TypeScript of all pages, with their file names. */
export const programEntries: readonly (readonly [name: string, code: string])[] = PAGES.flatMap(
  (page, at) => blocksIn(texts[at] ?? '', 'ts').map((code, index) => {
    return [fileNameOf(code, page, index), code] as const;
  }),
);

/** The programs of all pages, by file name. */
export const programs: ReadonlyMap<string, string> = new Map(programEntries);

const OF_THIS_PACKAGE_OR_NODE = /^(?:latchkey(?:$|\/)|node:|\.\/)/;

/** Whether a program, and each program that it imports, needs only this package and Node. */
export function isSelfSufficient(code: string): boolean {
  const imported = [...code.matchAll(/ from '(.+)';$/gm)].map(([, name = '']) => name);
  return imported.every((name) => {
    const program = programs.get(name.replace(/^\.\/(.+)\.mjs$/, '$1.mts')) ?? '';
    return OF_THIS_PACKAGE_OR_NODE.test(name) && isSelfSufficient(program);
  });
}

/**
 * @returns the sections with this heading from all pages, each up to the next heading of the same
 *   or a higher level
 */
export function sectionOf(heading: string): string {
  const [, level = ''] = /^(#+) /.exec(heading) ?? [];
  const end = RegExp(`\n#{1,${level.length}} `);
  const sections = texts.flatMap((text) => `\n${text}`.split(`\n${heading}\n`).slice(1));
  assert.ok(sections.length > 0, `no page has the heading ${heading}`);
  return sections.map((section) => section.split(end)[0] ?? '').join('\n');
}

/** @returns the cells of each row of the tables in a section, without the heads of the tables */
export function rowsOf(heading: string): string[][] {
  const lines = sectionOf(heading).split('\n');
  const isHead = (index: number) =>
    [lines[index], lines[index + 1]].some((line) => line?.startsWith('| ---'));
  const rows = lines.filter((line, index) => line.startsWith('| ') && !isHead(index));
  return rows.map(cellsOf);
}

function cellsOf(row: string): string[] {
  const cells = row.slice(1, -1).split(/(?<!\\)\|/);
  return cells.map((cell) => cell.replaceAll('\\|', '|').trim());
}

/**
 * Asserts that a page names what the code has, and nothing else.
 * @param place what is to be changed otherwise, such as a page and its table
 */
export function assertNames(
  place: string,
  named: Iterable<string>,
  inCode: Iterable<string>,
): void {
  const [here, there] = [new Set(named), new Set(inCode)];
  const missing = [...there].filter((name) => !here.has(name)).map((name) => `add ${name}`);
  const surplus = [...here].filter((name) => !there.has(name)).map((name) => `remove ${name}`);
  const changes = [...missing, ...surplus];
  if (changes.length > 0) assert.fail(`${place}: ${changes.join('; ')}`);
}

/** @returns the page that has this heading */
export function pageWith(heading: string): string {
  const index = texts.findIndex((text) => `\n${text}`.includes(`\n${heading}\n`));
  return PAGES[index] ?? assert.fail(`no page has the heading ${heading}`);
}

/** The text of a page without its blocks of code. */
const proseOf = (text: string): string => text.replaceAll(/^```[^]*?^```$/gm, '');

/** The targets of the links of a page that lead to files or headings of this repository. */
export function linksIn(text: string): string[] {
  const targets = [...proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors of a page: GitHub makes one of each heading. */
export function anchorsIn(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(text).matchAll(/^#+ (.+)$/gm)) {
    const words = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    let anchor = words;
    for (let copy = 1; anchors.has(anchor); copy += 1) anchor = `${words}-${copy}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The paths below `src`, `test` and `bench` that a page names, except patterns such as `*.ts`. */
export function pathsIn(text: string): string[] {
  const path = /(?<![\w./@-])(?:src|test|bench)\/[\w./*<>-]*[\w/*>]/g;
  return [...text.matchAll(path)].map(([name]) => name).filter((name) => !/[*<]/.test(name));
}
